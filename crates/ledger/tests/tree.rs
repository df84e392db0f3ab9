//! The tree against RFC 6962 written down naively, and against its published vectors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

use statehouse_ledger::tree::{
    Frontier, Levels, Refused, consistency_proof, empty_root, inclusion_proof, leaf_hash,
    node_hash, root_at, verify_consistency, verify_inclusion,
};
use statehouse_ledger::{Hash, tree};
use std::collections::HashMap;

/// RFC 6962 §2.1, word for word, with a memory so that it ends.
#[derive(Default)]
struct Naive {
    leaves: Vec<Hash>,
    known: HashMap<(usize, usize), Hash>,
}

impl Naive {
    fn root(&mut self, start: usize, end: usize) -> Hash {
        match end - start {
            0 => empty_root(),
            1 => self.leaves[start],
            size => {
                if let Some(hash) = self.known.get(&(start, end)) {
                    return *hash;
                }
                let middle = start + size.next_power_of_two() / 2;
                let hash = node_hash(&self.root(start, middle), &self.root(middle, end));
                self.known.insert((start, end), hash);
                hash
            }
        }
    }

    fn path(&mut self, index: usize, start: usize, end: usize) -> Vec<Hash> {
        if end - start == 1 {
            return Vec::new();
        }
        let middle = start + (end - start).next_power_of_two() / 2;
        let (mut path, sibling) = if index < middle {
            (self.path(index, start, middle), self.root(middle, end))
        } else {
            (self.path(index, middle, end), self.root(start, middle))
        };
        path.push(sibling);
        path
    }

    fn subproof(&mut self, old: usize, start: usize, end: usize, complete: bool) -> Vec<Hash> {
        if old == end {
            return if complete {
                Vec::new()
            } else {
                vec![self.root(start, end)]
            };
        }
        let middle = start + (end - start).next_power_of_two() / 2;
        let (mut path, sibling) = if old <= middle {
            (
                self.subproof(old, start, middle, complete),
                self.root(middle, end),
            )
        } else {
            (
                self.subproof(old, middle, end, false),
                self.root(start, middle),
            )
        };
        path.push(sibling);
        path
    }
}

fn leaves(count: u32) -> Vec<Hash> {
    (0..count)
        .map(|number| leaf_hash(&number.to_be_bytes()))
        .collect()
}

const SIZE_MAX: u32 = 1050;

#[test]
fn every_size_gives_the_root_of_the_rfc() {
    let mut naive = Naive {
        leaves: leaves(SIZE_MAX),
        ..Naive::default()
    };
    let levels = Levels::from_leaves(naive.leaves.clone());
    let mut frontier = Frontier::new();
    for size in 1..=SIZE_MAX as usize {
        frontier.push(naive.leaves[size - 1]);
        let expected = naive.root(0, size);
        assert_eq!(frontier.root(), expected, "frontier of {size}");
        assert_eq!(
            root_at(size as u64, &levels),
            Ok(expected),
            "levels at {size}"
        );
        let again = Frontier::from(frontier.size(), frontier.hashes().to_vec());
        assert_eq!(again.as_ref(), Ok(&frontier));
    }
    assert!(Frontier::from(5, leaves(3)).is_err());
}

#[test]
fn every_inclusion_proof_is_the_one_of_the_rfc_and_no_other_passes() {
    let mut naive = Naive {
        leaves: leaves(SIZE_MAX),
        ..Naive::default()
    };
    let levels = Levels::from_leaves(naive.leaves.clone());
    for size in 1..=SIZE_MAX as usize {
        let root = naive.root(0, size);
        let step = (size / 9).max(1);
        for index in (0..size).step_by(step).chain([size - 1]) {
            let proof = inclusion_proof(index as u64, size as u64, &levels).unwrap();
            assert_eq!(proof, naive.path(index, 0, size), "leaf {index} of {size}");
            let leaf = naive.leaves[index];
            let check = |index: usize, leaf: &Hash, proof: &[Hash]| {
                verify_inclusion(index as u64, size as u64, leaf, proof, &root)
            };
            assert_eq!(check(index, &leaf, &proof), Ok(()));
            assert!(check(index, &root_of_nothing(), &proof).is_err());
            assert!(check(index + 1, &leaf, &proof).is_err() || size == 1);
            assert_eq!(
                check(index, &leaf, &[&proof[..], &[root]].concat()),
                Err(Refused::Length)
            );
            if let Some((_, shorter)) = proof.split_last() {
                assert!(check(index, &leaf, shorter).is_err());
            }
        }
    }
    assert!(inclusion_proof(5, 5, &levels).is_err());
    assert_eq!(
        verify_inclusion(5, 5, &[0; 32], &[], &[0; 32]),
        Err(Refused::Outside)
    );
}

fn root_of_nothing() -> Hash {
    [0; 32]
}

#[test]
fn every_consistency_proof_is_the_one_of_the_rfc_and_no_other_passes() {
    let mut naive = Naive {
        leaves: leaves(SIZE_MAX),
        ..Naive::default()
    };
    let levels = Levels::from_leaves(naive.leaves.clone());
    let roots: Vec<Hash> = (0..=SIZE_MAX as usize)
        .map(|size| naive.root(0, size))
        .collect();
    for new in 1..=SIZE_MAX as usize {
        // Every pair up to 130, which has every shape; beyond that a sample of each size.
        let step = if new <= 130 { 1 } else { 41 };
        for old in (1..=new).step_by(step) {
            let proof = consistency_proof(old as u64, new as u64, &levels).unwrap();
            assert_eq!(proof, naive.subproof(old, 0, new, true), "{old} to {new}");
            let check = |old: usize, was: &Hash, is: &Hash, proof: &[Hash]| {
                verify_consistency(old as u64, new as u64, was, is, proof)
            };
            assert_eq!(check(old, &roots[old], &roots[new], &proof), Ok(()));
            assert!(check(old, &roots[old - 1], &roots[new], &proof).is_err());
            assert!(check(old, &roots[old], &roots[new - 1], &proof).is_err());
            assert_eq!(
                check(
                    old,
                    &roots[old],
                    &roots[new],
                    &[&proof[..], &[roots[1]]].concat()
                ),
                Err(Refused::Length)
            );
            if let Some((_, shorter)) = proof.split_last() {
                assert!(check(old, &roots[old], &roots[new], shorter).is_err());
            }
        }
    }
    assert!(consistency_proof(6, 5, &levels).is_err());
    assert_eq!(
        verify_consistency(6, 5, &roots[6], &roots[5], &[]),
        Err(Refused::Outside)
    );
    assert_eq!(verify_consistency(0, 5, &roots[0], &roots[5], &[]), Ok(()));
    assert_eq!(
        verify_consistency(0, 5, &roots[1], &roots[5], &[]),
        Err(Refused::Root)
    );
}

fn hash(text: &str) -> Hash {
    statehouse_ledger::hash_from_hex(text).unwrap()
}

#[test]
fn the_vectors_of_certificate_transparency_come_out() {
    let entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let leaves: Vec<Hash> = entries
        .iter()
        .map(|entry| leaf_hash(&hex::decode(entry).unwrap()))
        .collect();
    let levels = Levels::from_leaves(leaves);
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(root_at(size as u64, &levels), Ok(hash(root)), "size {size}");
    }
    let path = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(inclusion_proof(5, 8, &levels), Ok(path.map(hash).to_vec()));
    let path = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(
        consistency_proof(6, 8, &levels),
        Ok(path.map(hash).to_vec())
    );
    assert_eq!(
        leaf_hash(b"L123456"),
        hash("395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56")
    );
    assert_eq!(tree::empty_root(), hash(roots[0]));
}
