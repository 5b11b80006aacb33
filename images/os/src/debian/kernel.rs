//! Kernel and modules of a Debian kernel package: those that a box may need, unpacked, with the ones they need.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{self, OsError};
use crate::files;
use crate::toolbox::{Toolbox, run};

/// The kernel of a tree.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// Its version, as the folder of its modules is named.
    pub version: String,
    /// What the loader starts.
    pub image: PathBuf,
    /// `usr/lib/modules/VERSION` of the packages.
    modules: PathBuf,
}

impl Kernel {
    /// The one kernel of unpacked packages.
    ///
    /// # Errors
    /// That there is none, or more than one.
    pub fn find(tree: &Path) -> Result<Self, OsError> {
        let boot = tree.join("boot");
        let mut versions = Vec::new();
        for entry in fs::read_dir(&boot).map_err(error::read(&boot))? {
            let name = entry.map_err(error::read(&boot))?.file_name();
            if let Some(version) = name.to_string_lossy().strip_prefix("vmlinuz-") {
                versions.push(version.to_owned());
            }
        }
        let [version] = versions.as_slice() else {
            return Err(OsError::Data {
                path: boot,
                problem: format!("one kernel expected, found {}", versions.len()),
            });
        };
        Ok(Self {
            version: version.clone(),
            image: boot.join(format!("vmlinuz-{version}")),
            modules: tree.join("usr/lib/modules").join(version),
        })
    }

    /// Puts the modules that each of the files `lists` names (folders below `kernel/` with a `/` at the end, or single
    /// modules by name), and all they need, into `root`, decompressed: twice compressed they are not smaller and cost
    /// time at boot.
    ///
    /// # Errors
    /// A line that matches nothing, a program that failed.
    pub fn install(
        &self,
        lists: &[PathBuf],
        root: &Path,
        toolbox: &Toolbox,
        scratch: &Path,
    ) -> Result<(), OsError> {
        let needs = self.needs(toolbox, scratch)?;
        let lists = lists
            .iter()
            .map(|path| Ok((path.display().to_string(), files::read_text(path)?)))
            .collect::<Result<Vec<_>, OsError>>()?;
        let chosen = choose(&lists, &needs)?;
        let target = root.join("usr/lib/modules").join(&self.version);
        for module in chosen {
            let from = self.modules.join(&module);
            let to = target.join(module.trim_end_matches(".xz"));
            files::copy(&from, &to.with_extension("ko.xz"))?;
            if module.ends_with(".xz") {
                run(toolbox
                    .command("xz")?
                    .args(["--decompress", "--force"])
                    .arg(to.with_extension("ko.xz")))?;
            }
        }
        for index in [
            "modules.builtin",
            "modules.builtin.modinfo",
            "modules.order",
        ] {
            files::copy(&self.modules.join(index), &target.join(index))?;
        }
        // Packages have everything below `/usr`, depmod looks below `/lib`.
        self.index(&target, toolbox, &scratch.join("indexed"))?;
        for text in ["modules.builtin.modinfo", "modules.order"] {
            let path = target.join(text);
            fs::remove_file(&path).map_err(error::write(&path))?;
        }
        Ok(())
    }

    /// What each module needs, by way of depmod over all of them.
    fn needs(
        &self,
        toolbox: &Toolbox,
        scratch: &Path,
    ) -> Result<BTreeMap<String, Vec<String>>, OsError> {
        let all = scratch.join("all-modules");
        files::empty_folder(&all)?;
        for path in files::below(&self.modules)? {
            let to = all.join(&path);
            if let Some(parent) = to.parent() {
                files::make_folder(parent)?;
            }
            // A link is as good as a copy to depmod, and 100 MB less.
            files::link(&self.modules.join(&path).display().to_string(), &to)?;
        }
        self.index(&all, toolbox, &scratch.join("all-indexed"))?;
        let text = files::read_text(&all.join("modules.dep"))?;
        Ok(text.lines().filter_map(dependency).collect())
    }

    /// Runs depmod over a folder of modules, wherever it is.
    fn index(&self, modules: &Path, toolbox: &Toolbox, base: &Path) -> Result<(), OsError> {
        files::empty_folder(base)?;
        let link = base.join("lib/modules").join(&self.version);
        let absolute = fs::canonicalize(modules).map_err(error::read(modules))?;
        files::link(&absolute.display().to_string(), &link)?;
        // depmod is a name of kmod, which looks at its own name.
        let mut depmod = toolbox.command("depmod")?;
        run(depmod.arg("--basedir").arg(base).arg(&self.version)).map(drop)
    }
}

/// A line of `modules.dep`: `kernel/a.ko.xz: kernel/b.ko.xz kernel/c.ko.xz`.
fn dependency(line: &str) -> Option<(String, Vec<String>)> {
    let (module, needs) = line.split_once(':')?;
    let needs = needs.split_whitespace().map(str::to_owned).collect();
    Some((module.to_owned(), needs))
}

/// The modules that lists (name and text) choose, with all they need. What one list leaves out no other brings in.
fn choose(
    lists: &[(String, String)],
    needs: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeSet<String>, OsError> {
    let mut chosen = BTreeSet::new();
    let mut left_out = BTreeSet::new();
    let lines = lists.iter().flat_map(|(name, text)| {
        text.lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
            .filter(|line| !line.is_empty())
            .map(move |line| (name, line))
    });
    for (name, line) in lines {
        let (pattern, set) = match line.strip_prefix('!') {
            Some(pattern) => (pattern, &mut left_out),
            None => (line, &mut chosen),
        };
        let named: BTreeSet<String> = needs
            .keys()
            .filter(|path| is_named(path, pattern))
            .cloned()
            .collect();
        if named.is_empty() {
            return Err(OsError::Absent {
                path: pattern.to_owned(),
                asked: name.clone(),
            });
        }
        set.extend(named);
    }
    let mut all: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = chosen.difference(&left_out).cloned().collect();
    while let Some(module) = open.pop() {
        if let Some(needs) = needs.get(&module) {
            open.extend(needs.iter().filter(|need| !all.contains(*need)).cloned());
        }
        all.insert(module);
    }
    Ok(all)
}

/// Whether a line's folder or module name stands for this path (`-` and `_` are the same in module names).
fn is_named(path: &str, pattern: &str) -> bool {
    let path = path.strip_prefix("kernel/").unwrap_or(path);
    if pattern.ends_with('/') {
        return path.starts_with(pattern);
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let module = file.split(".ko").next().unwrap_or(file);
    module.replace('-', "_") == pattern.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> BTreeMap<String, Vec<String>> {
        "kernel/drivers/md/dm-verity.ko.xz: kernel/drivers/md/dm-bufio.ko.xz\n\
         kernel/drivers/md/dm-bufio.ko.xz: kernel/drivers/md/dm-mod.ko.xz\n\
         kernel/drivers/md/dm-mod.ko.xz:\n\
         kernel/net/a.ko.xz:\nkernel/net/b.ko.xz: kernel/drivers/md/dm-mod.ko.xz\n"
            .lines()
            .filter_map(dependency)
            .collect()
    }

    fn lists(texts: &[&str]) -> Vec<(String, String)> {
        let named = |(at, text): (usize, &&str)| (format!("list {at}"), (*text).to_owned());
        texts.iter().enumerate().map(named).collect()
    }

    fn chosen(texts: &[&str]) -> Vec<String> {
        let chosen = choose(&lists(texts), &needs()).unwrap();
        chosen
            .iter()
            .filter_map(|path| path.rsplit('/').next().map(str::to_owned))
            .collect()
    }

    #[test]
    fn a_module_comes_with_all_it_needs() {
        assert_eq!(
            chosen(&["dm_verity"]),
            ["dm-bufio.ko.xz", "dm-mod.ko.xz", "dm-verity.ko.xz"]
        );
    }

    #[test]
    fn a_folder_may_leave_some_out() {
        assert_eq!(chosen(&["net/\n!b # not this one"]), ["a.ko.xz"]);
        assert_eq!(chosen(&["net/"]), ["dm-mod.ko.xz", "a.ko.xz", "b.ko.xz"]);
    }

    #[test]
    fn a_second_list_adds_and_leaves_out() {
        assert_eq!(chosen(&["net/", "!b"]), ["a.ko.xz"]);
        assert_eq!(chosen(&["a", "dm_mod"]), ["dm-mod.ko.xz", "a.ko.xz"]);
    }

    #[test]
    fn line_that_matches_nothing_is_an_error() {
        let error = choose(&lists(&["net/", "net/\nwifi/"]), &needs()).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("wifi/") && error.contains("list 1"),
            "{error}"
        );
    }
}
