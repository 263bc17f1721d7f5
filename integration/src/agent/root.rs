//! The root file system of a machine: a throw-away layer over this machine's own, with kernel file systems, a private
//! /run and a private /tmp. Owns the mounts; starts nothing.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

const NONE: Option<&'static str> = None;

/// Keeps every later mount of this process to itself.
///
/// # Errors
/// The kernel refuses.
pub(super) fn keep_mounts_private() -> io::Result<()> {
    told("making mounts private", mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE))
}

/// Mounts a file system of the kernel at `target`, which is made if it is missing.
///
/// # Errors
/// The kernel refuses.
pub(super) fn mount_new(kind: &str, target: &Path, options: Option<&str>) -> io::Result<()> {
    fs::create_dir_all(target)?;
    told(
        &format!("mounting {kind} on {}", target.display()),
        mount(Some(kind), target, Some(kind), MsFlags::empty(), options),
    )
}

/// Lays a writable layer, kept below `layers`, over this machine's root, and returns where the whole is mounted.
///
/// # Errors
/// The kernel refuses, for instance because it has no overlay file system.
pub(super) fn overlay(layers: &Path) -> io::Result<PathBuf> {
    let [upper, work, root] = ["upper", "work", "root"].map(|name| layers.join(name));
    for directory in [&upper, &work, &root] {
        fs::create_dir_all(directory)?;
    }
    let options = format!("lowerdir=/,upperdir={},workdir={}", upper.display(), work.display());
    mount_new("overlay", &root, Some(&options))?;
    Ok(root)
}

/// Mounts in `root` what a running system has. The devices must be there already.
///
/// # Errors
/// The kernel refuses.
pub(super) fn furnish(root: &Path) -> io::Result<()> {
    mount_new("proc", &root.join("proc"), None)?;
    mount_new("sysfs", &root.join("sys"), None)?;
    mount_new("tmpfs", &root.join("run"), Some("mode=755"))?;
    mount_new("tmpfs", &root.join("tmp"), Some("mode=1777"))?;
    mount_new("devpts", &root.join("dev/pts"), Some("newinstance,ptmxmode=666,mode=620"))?;
    mount_new("tmpfs", &root.join("dev/shm"), Some("mode=1777"))?;
    fs::create_dir_all(root.join("run/lock"))
}

/// Shows `directory` of this machine, read-only, at the same path below `root`.
///
/// # Errors
/// The kernel refuses.
pub(super) fn show(directory: &Path, root: &Path) -> io::Result<()> {
    let target = below(root, directory);
    fs::create_dir_all(&target)?;
    let what = format!("showing {}", directory.display());
    told(&what, mount(Some(directory), &target, NONE, MsFlags::MS_BIND, NONE))?;
    told(&what, mount(NONE, &target, NONE, MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, NONE))
}

/// Shows one file, or device, of this machine at `target`.
///
/// # Errors
/// The kernel refuses.
pub(super) fn show_file(file: &Path, target: &Path) -> io::Result<()> {
    fs::write(target, [])?;
    told(&format!("showing {}", file.display()), mount(Some(file), target, NONE, MsFlags::MS_BIND, NONE))
}

/// Whether a layer over "/" alone would hide `path`: it lies on another file system, or where a machine has a private
/// one.
pub(super) fn is_hidden(path: &Path) -> bool {
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    path.starts_with("/run") || path.starts_with("/tmp") || device(path) != device(Path::new("/"))
}

/// Makes `root` the root of this process and all others of its mount namespace, and forgets the old one.
///
/// # Errors
/// The kernel refuses.
pub(super) fn enter(root: &Path) -> io::Result<()> {
    std::env::set_current_dir(root)?;
    // Stacked on the new root, the old one is then the topmost mount and can be detached without a place of its own.
    told("entering the new root", nix::unistd::pivot_root(".", "."))?;
    told("leaving the old root", umount2(".", MntFlags::MNT_DETACH))?;
    std::env::set_current_dir("/")
}

/// `path`, which is absolute, below `root`.
pub(super) fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// A symbolic link, which may be there from an earlier boot.
///
/// # Errors
/// It cannot be made.
pub(super) fn link(to: &Path, at: &Path) -> io::Result<()> {
    if let Some(directory) = at.parent() {
        fs::create_dir_all(directory)?;
    }
    match symlink(to, at) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Sets what lies below /proc/sys, given as (path below it, value).
///
/// # Errors
/// A value is refused. A setting that this kernel does not have is left out.
pub(super) fn set_sysctls(settings: &[(String, String)]) -> io::Result<()> {
    for (name, value) in settings {
        match fs::write(Path::new("/proc/sys").join(name), value) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::other(format!("{name} = {value}: {error}"))),
        }
    }
    Ok(())
}

fn told(what: &str, done: nix::Result<()>) -> io::Result<()> {
    done.map_err(|errno| io::Error::new(io::Error::from(errno).kind(), format!("{what}: {errno}")))
}
