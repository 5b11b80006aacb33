//! What manifests of other systems ask for that this box gives to no service, and how it is asked for here.

/// What to say of a key that manifests do not have.
pub(super) fn hint(table: &str, key: &str) -> Option<String> {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let said = match (table, key.as_str()) {
        ("container", "privileged") => {
            "is refused: a privileged container is as mighty as the box; ask for single capabilities"
        }
        (
            "container",
            "network" | "network_mode" | "networks" | "net" | "pid" | "ipc" | "uts" | "userns"
            | "userns_mode" | "cgroupns" | "cgroup" | "cgroup_parent" | "namespaces",
        ) => {
            "is refused: every service has namespaces of its own, and none of the box or of another service"
        }
        ("container", "device" | "devices" | "device_cgroup_rules" | "gpus") => {
            "is refused: no device of the box is given to a service"
        }
        (
            "container",
            "security_opt" | "seccomp" | "apparmor" | "selinux" | "label" | "no_new_privileges"
            | "sysctls" | "ulimits" | "unmask",
        ) => "is refused: the profiles that confine a service are the box's",
        ("container", "cap_add" | "cap_drop") => {
            "is not said here: list capabilities; all others are dropped"
        }
        (
            "container" | "container.mount" | "volume",
            "bind" | "binds" | "source" | "host" | "host_path" | "volumes" | "driver" | "device"
            | "tmpfs" | "secrets",
        ) => {
            "is refused: a service gets volumes of its own and scratch folders, and no folder of the box"
        }
        ("container", "read_only") => {
            "is not said here: the root is always read-only; list scratch folders"
        }
        ("container", "user" | "group_add") => {
            "is not said here: the image says who runs it, and the box makes that nobody outside"
        }
        ("container", "ports" | "expose" | "publish") => {
            "is not said here: a [[route]] leads to a page, a [[port]] to another port"
        }
        ("container", "restart" | "depends_on" | "entrypoint" | "env" | "env_file" | "build") => {
            "is not said here: there are image, command, environment and health; the box restarts what ends"
        }
        (
            "" | "container" | "accounts",
            "hook" | "hooks" | "script" | "scripts" | "install" | "exec" | "compose" | "services"
            | "provision",
        ) => "is refused: a manifest is data; nothing of it is executed",
        _ => return None,
    };
    let name = match table {
        "" => key,
        table => format!("{table}.{key}"),
    };
    Some(format!("{name} {said}"))
}
