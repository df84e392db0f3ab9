//! The folders of a job: what terraform finds in its sandbox and what it may write.
//!
//! ```text
//! tree/          the configuration, as it was unpacked; what init adds
//! out/           the plan file, where the command that plans writes it
//! bound/         the plan file, as it was read once after that; no phase writes here
//! conf/          how terraform is to behave here, and whom it is to trust; read-only
//! spool/         states that the server has not taken; in no sandbox
//! sockets/       ways out of the sandbox
//! ```
//!
//! Values never become a part of HCL: variables go into files of JSON, and the
//! backend is an override file of JSON.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde_json::{Map, Value, json};
use statehouse_terraform::configuration::Tool;
use statehouse_terraform::literal;

use super::place::{self, Place};
use super::{Trouble, authorities, digest, spool};
use crate::control::Variable;
use crate::sandbox::{Bind, within};

/// The override file that names the backend; the name cannot be a user's by accident.
const BACKEND: &str = "zz_statehouse_backend_override.tf.json";
/// The same where `OpenTofu` reads it: in place of the other, which a configuration could hide behind a file of its own with this name.
const BACKEND_OF_TOFU: &str = "zz_statehouse_backend_override.tofu.json";
/// The variable file. Both tools read `*.auto.tfvars` and `*.auto.tfvars.json` in order of their names, the last one wins, and neither has
/// another ending for them.
const VARIABLES: &str = "zz_statehouse.auto.tfvars.json";
/// The dependency lock file, in the root module.
pub(crate) const LOCK_FILE: &str = ".terraform.lock.hcl";
/// The plan file, in its folder.
pub(crate) const PLAN: &str = "plan";
/// Longest plan file, in bytes: what the server takes.
const PLAN_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Where a sandbox finds these folders.
pub(crate) const OUT: &str = "/out";
const CONF: &str = "/conf";

/// The files that name the backend to a tool, the one that counts last.
pub(crate) fn backend_files(tool: Tool) -> &'static [&'static str] {
    match tool {
        Tool::Terraform => &[BACKEND],
        Tool::OpenTofu => &[BACKEND, BACKEND_OF_TOFU],
    }
}

/// The folders of a job.
#[derive(Clone)]
pub(crate) struct Layout {
    root: PathBuf,
    /// Where the root module is, below `work`.
    pub(crate) module: PathBuf,
}

impl Layout {
    /// Makes the folders in a seat.
    pub(crate) fn new(seat: &Path, working_directory: &str) -> Result<Self, Trouble> {
        let module = PathBuf::from(working_directory);
        let inside = module.components().all(|part| {
            matches!(
                part,
                std::path::Component::Normal(_) | std::path::Component::CurDir
            )
        });
        if !inside {
            let words = format!(
                "the working directory `{working_directory}` leads out of the configuration"
            );
            return Err(Trouble::failed("configuration", words));
        }
        let layout = Self {
            root: seat.to_owned(),
            module,
        };
        for name in ["out", "conf", spool::FOLDER, "sockets"] {
            fs::create_dir_all(layout.root.join(name)).map_err(Trouble::disk)?;
        }
        Ok(layout)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.join(place::TREE)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.root.join("conf")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.root.join(spool::FOLDER)
    }

    pub(crate) fn sockets(&self) -> PathBuf {
        self.root.join("sockets")
    }

    /// Where the plan file is that is shown and applied.
    pub(crate) fn bound(&self) -> PathBuf {
        self.root.join("bound")
    }

    /// Follows the links of the configuration to its root module, once, before any phase could make one.
    pub(crate) fn settle(&mut self) -> Result<(), Trouble> {
        let module = fs::canonicalize(self.root_module()?).map_err(Trouble::disk)?;
        let tree = fs::canonicalize(self.work()).map_err(Trouble::disk)?;
        let module = module.strip_prefix(tree).map_err(|_| {
            let words = format!(
                "the working directory `{}` leads out of the configuration",
                self.module.display()
            );
            Trouble::failed("configuration", words)
        })?;
        self.module = module.to_owned();
        Ok(())
    }

    /// The folder of the root module.
    pub(crate) fn root_module(&self) -> Result<PathBuf, Trouble> {
        let path = self.work().join(&self.module);
        if path.is_dir() {
            return Ok(path);
        }
        let words = format!(
            "the configuration has no folder `{}`",
            self.module.display()
        );
        Err(Trouble::failed("configuration", words))
    }

    /// Reads the plan file that a phase wrote.
    pub(crate) fn planned(&self) -> Result<Vec<u8>, Trouble> {
        within::read(&self.out(), Path::new(PLAN), PLAN_BYTES_MAX).map_err(Trouble::disk)
    }

    /// Puts a plan file where no phase that began before could write: the folder is made for it.
    pub(crate) fn bind(&self, plan: &[u8]) -> Result<(), Trouble> {
        let made = DirBuilder::new().mode(0o700).create(self.bound());
        made.map_err(Trouble::disk)?;
        within::write(&self.bound(), Path::new(PLAN), plan).map_err(Trouble::disk)
    }

    /// The digest of the plan file that was put there.
    pub(crate) fn bound_digest(&self) -> Result<String, Trouble> {
        let file = within::open(&self.bound(), Path::new(PLAN), PLAN_BYTES_MAX);
        digest::of(file.map_err(Trouble::disk)?).map_err(Trouble::disk)
    }

    /// Writes the file by which the configuration uses the runner's backend, or says nothing of one any more.
    pub(crate) fn put_backend(&self, block: &Value, tool: Tool) -> Result<(), Trouble> {
        let mut names = backend_files(tool).iter();
        names.try_for_each(|name| self.put(name, block))
    }

    /// Writes the dependency lock file that a plan was made with.
    pub(crate) fn put_lock_file(&self, text: &[u8]) -> Result<(), Trouble> {
        let path = self.module.join(LOCK_FILE);
        within::write(&self.work(), &path, text).map_err(Trouble::disk)
    }

    /// Writes the variables of terraform, the strongest last: after init, which has no secrets.
    pub(crate) fn put_variables(&self, variables: &[Variable]) -> Result<(), Trouble> {
        let mut values = Map::new();
        for variable in variables.iter().filter(|each| !each.environment) {
            let value = if variable.hcl {
                literal::to_json(&variable.value).map_err(|why| {
                    let words = format!(
                        "the value of the variable `{}` is no literal: {why}",
                        variable.key
                    );
                    Trouble::failed("variables", words)
                })?
            } else {
                Value::from(variable.value.as_str())
            };
            values.insert(variable.key.clone(), value);
        }
        if values.is_empty() {
            return Ok(());
        }
        self.reads_nothing_after_variables()?;
        self.put(VARIABLES, &Value::from(values))
    }

    /// Refuses a configuration of which terraform would read values after those of the run: they would go over them.
    fn reads_nothing_after_variables(&self) -> Result<(), Trouble> {
        for entry in fs::read_dir(self.root_module()?).map_err(Trouble::disk)? {
            let name = entry.map_err(Trouble::disk)?.file_name();
            let bytes = name.as_encoded_bytes();
            let is_read = bytes.ends_with(b".auto.tfvars") || bytes.ends_with(b".auto.tfvars.json");
            if is_read && bytes > VARIABLES.as_bytes() {
                let words = format!(
                    "the file `{}` would go over the variables of the run: give it a name that comes before `{VARIABLES}`",
                    name.display()
                );
                return Err(Trouble::failed("variables", words));
            }
        }
        Ok(())
    }

    /// Writes a file into the root module, whatever a phase put there.
    fn put(&self, name: &str, content: &Value) -> Result<(), Trouble> {
        let path = self.module.join(name);
        within::write(&self.work(), &path, content.to_string().as_bytes()).map_err(Trouble::disk)
    }

    /// Writes terraform's own configuration and the certificates that programs trust beside the system's, and says what of the environment is
    /// the same in every phase.
    pub(crate) fn put_conf(
        &self,
        place: &Place,
        trusted: Option<&[u8]>,
    ) -> Result<BTreeMap<String, String>, Trouble> {
        let level = place.sandbox.level;
        let found = |inside: &str, here: PathBuf| {
            let bind = Bind {
                source: here,
                target: PathBuf::from(inside),
            };
            bind.place(level).display().to_string()
        };
        // Where nothing is said of it, terraform takes providers from `terraform.d/plugins` of the configuration, and from nowhere else then.
        let installation = match place.mirror() {
            Some(mirror) => {
                let path = mirror.place(level).display().to_string();
                json!([{ "filesystem_mirror": [{ "path": path }] }])
            }
            None => json!([{ "direct": [{}] }]),
        };
        let mut conf = Map::new();
        conf.insert("disable_checkpoint".to_owned(), true.into());
        conf.insert("provider_installation".to_owned(), installation);
        let file = self.conf().join("terraform.tfrc.json");
        fs::write(&file, Value::from(conf).to_string()).map_err(Trouble::disk)?;
        let conf = found(CONF, self.conf());
        let pairs = [
            ("TF_CLI_CONFIG_FILE", format!("{conf}/terraform.tfrc.json")),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("TF_INPUT", "0".to_owned()),
            ("CHECKPOINT_DISABLE", "1".to_owned()),
            ("HOME", found("/tmp", self.out())),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
        ];
        let mut environment: BTreeMap<String, String> = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        if let Some(trusted) = trusted {
            fs::write(self.conf().join(authorities::FILE), trusted).map_err(Trouble::disk)?;
            let place = format!("{conf}/{}", authorities::FILE);
            let named = authorities::VARIABLES.map(|name| (name.to_owned(), place.clone()));
            environment.extend(named);
        }
        Ok(environment)
    }

    /// What a phase can read beside its work and its tool.
    pub(crate) fn reads(&self, place: &Place) -> Vec<Bind> {
        let conf = Bind {
            source: self.conf(),
            target: PathBuf::from(CONF),
        };
        [conf].into_iter().chain(place.packages()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::sandbox::{Inside, Level, Seat, Settings};

    fn layout() -> (tempfile::TempDir, Layout) {
        let seat = tempfile::tempdir().unwrap();
        let layout = Layout::new(seat.path(), "").unwrap();
        fs::create_dir(layout.work()).unwrap();
        (seat, layout)
    }

    #[test]
    fn programs_are_told_of_other_authorities_where_there_are_some() {
        let (seat, layout) = layout();
        let place = Place {
            sandbox: Settings {
                level: Level::Strict,
                bubblewrap: PathBuf::new(),
                inside: Inside {
                    program: PathBuf::new(),
                    arguments: Vec::new(),
                },
                seats: PathBuf::new(),
                users: None,
                cgroup: None,
                memory_bytes_max: 0,
                processes_max: 0,
                forbidden: Vec::new(),
            },
            seat: Seat {
                slot: 0,
                uid: 0,
                gid: 0,
                directory: seat.path().to_owned(),
                group: None,
            },
            provider_mirror: None,
            provider_cache: None,
            egress: Vec::new(),
        };
        let alone = layout.put_conf(&place, None).unwrap();
        for name in authorities::VARIABLES {
            assert_eq!(alone.get(name), None);
        }
        let found = layout.put_conf(&place, Some(b"the bundle")).unwrap();
        for name in authorities::VARIABLES {
            assert_eq!(found[name], "/conf/authorities.pem");
        }
        let written = fs::read(layout.conf().join(authorities::FILE)).unwrap();
        assert_eq!(written, b"the bundle");
    }

    #[test]
    fn what_is_shown_and_applied_is_not_what_a_later_phase_could_write() {
        let (_seat, layout) = layout();
        let out = layout.out().join(PLAN);
        fs::write(&out, "the plan").unwrap();
        let plan = layout.planned().unwrap();
        layout.bind(&plan).unwrap();
        fs::write(&out, "another").unwrap();
        let digest = digest::of(&b"the plan"[..]).unwrap();
        assert_eq!(layout.bound_digest().unwrap(), digest);
        // What was there before is not taken for it.
        assert!(layout.bind(b"a third").is_err());
    }

    #[test]
    fn a_plan_that_is_no_plain_file_is_refused() {
        let (seat, layout) = layout();
        let out = layout.out().join(PLAN);
        fs::write(seat.path().join("other"), "of somebody else").unwrap();
        fs::os::unix::fs::symlink("../other", &out).unwrap();
        assert!(layout.planned().is_err());
        fs::remove_file(&out).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &out, fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(layout.planned().is_err());
    }

    #[test]
    fn the_backend_is_written_where_each_tool_reads_it_and_none_hides_it() {
        let (_seat, layout) = layout();
        let block = json!({ "terraform": {} });
        let there = |name: &str| fs::read_to_string(layout.work().join(name)).ok();
        layout.put_backend(&block, Tool::Terraform).unwrap();
        assert_eq!(there(BACKEND), Some(block.to_string()));
        assert_eq!(there(BACKEND_OF_TOFU), None);
        // OpenTofu passes over the one where there is the other.
        fs::write(layout.work().join(BACKEND_OF_TOFU), "{}").unwrap();
        layout.put_backend(&block, Tool::OpenTofu).unwrap();
        for name in backend_files(Tool::OpenTofu) {
            assert_eq!(there(name), Some(block.to_string()), "{name}");
        }
        layout.put_backend(&json!({}), Tool::OpenTofu).unwrap();
        assert_eq!(there(BACKEND_OF_TOFU), Some("{}".to_owned()));
    }

    #[test]
    fn values_are_written_where_init_left_a_link_and_none_is_read_after_them() {
        let (seat, layout) = layout();
        let victim = seat.path().join("conf/terraform.tfrc.json");
        fs::write(&victim, "as it was").unwrap();
        fs::os::unix::fs::symlink(&victim, layout.work().join(VARIABLES)).unwrap();
        let variable = Variable {
            key: "password".to_owned(),
            value: "correct-horse".to_owned(),
            hcl: false,
            sensitive: true,
            environment: false,
        };
        layout
            .put_variables(std::slice::from_ref(&variable))
            .unwrap();
        assert_eq!(fs::read_to_string(victim).unwrap(), "as it was");
        let written = fs::read_to_string(layout.work().join(VARIABLES)).unwrap();
        assert_eq!(written, "{\"password\":\"correct-horse\"}");
        // What terraform reads before it may be there, what it reads after it would go over it.
        for (name, is_refused) in [
            ("a.auto.tfvars", false),
            ("terraform.tfvars", false),
            ("zzz.tfvars", false),
            ("zz_statehouse.auto.tfvars.json.auto.tfvars", true),
            ("zzz.auto.tfvars", true),
            ("zzz.auto.tfvars.json", true),
        ] {
            let path = layout.work().join(name);
            fs::write(&path, "").unwrap();
            let put = layout.put_variables(std::slice::from_ref(&variable));
            assert_eq!(put.is_err(), is_refused, "{name}");
            layout.put_variables(&[]).unwrap();
            fs::remove_file(&path).unwrap();
        }
    }
}
