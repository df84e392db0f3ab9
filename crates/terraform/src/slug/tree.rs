//! The tree that grows while an archive is read: every path once, each inside a folder, links followed on paper at the end.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Fault, Limits, Node, Refused};

/// What Linux follows before it gives up.
const HOPS_MAX: usize = 40;

/// Steps over all links together. A link per module and a few steps each are thousands; without a bound, links of links cost
/// hours.
const STEPS_MAX: usize = 1_000_000;

/// Opens the digest, so that it is the digest of nothing else; a change of what is hashed changes it.
const FORMAT: &[u8] = b"statehouse configuration 1\n";

/// Paths and what they are.
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// All paths in lower case.
    folded: BTreeSet<String>,
    names_bytes: usize,
    names_bytes_max: usize,
}

impl Tree {
    pub(super) fn new(limits: &Limits) -> Tree {
        Tree {
            nodes: BTreeMap::new(),
            folded: BTreeSet::new(),
            names_bytes: 0,
            names_bytes_max: limits.names_bytes_max,
        }
    }

    /// Adds the folders above a path, and the path itself if it is a folder; returns those that are new, outermost first.
    pub(super) fn folders(&mut self, path: &str, itself: bool) -> Result<Vec<String>, Refused> {
        let mut new = Vec::new();
        let ends = path.match_indices('/').map(|(end, _)| end);
        for end in ends.chain(itself.then_some(path.len())) {
            let Some(folder) = path.get(..end).filter(|folder| !folder.is_empty()) else {
                continue;
            };
            match self.nodes.get(folder) {
                Some(Node::Folder) => {}
                Some(_) if end == path.len() => return Err(refuse(path, Fault::Twice)),
                Some(_) => return Err(refuse(path, Fault::Under(folder.to_owned()))),
                None => {
                    self.add(folder, Node::Folder)?;
                    new.push(folder.to_owned());
                }
            }
        }
        Ok(new)
    }

    /// Whether a file or link may stand under a path, whose folders are there.
    pub(super) fn vacant(&self, path: &str) -> Result<(), Refused> {
        if self.nodes.contains_key(path) {
            return Err(refuse(path, Fault::Twice));
        }
        if self.folded.contains(&path.to_lowercase()) {
            return Err(refuse(path, Fault::Case));
        }
        Ok(())
    }

    /// Adds what was not there.
    pub(super) fn add(&mut self, path: &str, node: Node) -> Result<(), Refused> {
        self.vacant(path)?;
        let target = match &node {
            Node::Link { target } => target.len(),
            Node::Folder | Node::File { .. } => 0,
        };
        self.names_bytes += path.len() + target;
        if self.names_bytes > self.names_bytes_max {
            return Err(Refused::Names(self.names_bytes_max));
        }
        self.folded.insert(path.to_lowercase());
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Follows every link, and gives the nodes back when none leads out.
    pub(super) fn finish(self) -> Result<BTreeMap<String, Node>, Refused> {
        let mut steps = STEPS_MAX;
        for (path, node) in &self.nodes {
            if let Node::Link { target } = node {
                self.follow(path, target, &mut steps)
                    .map_err(|why| refuse(path, why))?;
            }
        }
        Ok(self.nodes)
    }

    /// Walks where the kernel would walk: links inside the target are followed, and `..` leaves the folder that was reached.
    fn follow(&self, path: &str, target: &str, steps: &mut usize) -> Result<(), Fault> {
        let out = || Fault::Escapes(target.to_owned());
        let mut here: Vec<&str> = path.split('/').collect();
        here.pop();
        let mut ahead: Vec<&str> = target.rsplit('/').collect();
        let mut hops = 1;
        while let Some(part) = ahead.pop() {
            *steps = steps.checked_sub(1).ok_or(Fault::Tangled)?;
            match part {
                "" | "." => continue,
                ".." => {
                    here.pop().ok_or_else(out)?;
                    continue;
                }
                name => here.push(name),
            }
            if let Some(Node::Link { target }) = self.nodes.get(&here.join("/")) {
                hops += 1;
                if hops > HOPS_MAX {
                    return Err(Fault::Tangled);
                }
                here.pop();
                ahead.extend(target.rsplit('/'));
            }
        }
        Ok(())
    }
}

fn refuse(path: &str, why: Fault) -> Refused {
    Refused::entry(path.as_bytes(), why)
}

/// The digest of what [`Node`]s say, in the order of their paths. Folders are not in it: an empty one means nothing to terraform.
pub(super) fn digest(nodes: &BTreeMap<String, Node>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    let text = |hasher: &mut Sha256, text: &str| {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    };
    hasher.update(FORMAT);
    for (path, node) in nodes {
        match node {
            Node::Folder => {}
            Node::File {
                executable,
                bytes,
                digest,
            } => {
                hasher.update(if *executable { b"exec" } else { b"file" });
                text(&mut hasher, path);
                hasher.update(bytes.to_be_bytes());
                hasher.update(digest);
            }
            Node::Link { target } => {
                hasher.update(b"link");
                text(&mut hasher, path);
                text(&mut hasher, target);
            }
        }
    }
    hasher.finalize().into()
}
