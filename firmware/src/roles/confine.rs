//! Takes from a process everything it does not need, before it reads a byte from the network.

use std::collections::BTreeMap;
use std::error::Error;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, NetPort, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::Role;

/// System calls every role makes: memory, threads, time, waiting, and bytes on descriptors it has.
const COMMON: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_lseek,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_futex,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Files are refused by landlock; the C library and the runtime look for some and go on without.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_readlinkat,
];

/// Names of some calls that only this architecture has.
#[cfg(target_arch = "x86_64")]
const OF_ARCHITECTURE: &[libc::c_long] = &[
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_readlink,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const OF_ARCHITECTURE: &[libc::c_long] = &[];

/// Confines the process, which must have one thread. What the kernel does not know of landlock is left out and said.
pub(crate) fn confine(role: Role) -> Result<(), Box<dyn Error>> {
    rustix::thread::set_no_new_privs(true)?;
    restrict_files(role)?;
    restrict_calls(role)
}

/// No files at all; no TCP but what the name server asks upstream, what is fetched, mail servers that are greeted, other cells,
/// and proxies.
fn restrict_files(role: Role) -> Result<(), Box<dyn Error>> {
    let abi = ABI::V6;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(abi))?;
    if !matches!(
        role,
        Role::Dns | Role::Fetch | Role::MailCheck | Role::Cells | Role::Relay
    ) {
        rules = rules.handle_access(AccessNet::ConnectTcp)?;
    }
    let mut rules = rules.create()?;
    if role == Role::Cells {
        // Other cells are called from a certain address, and from whichever port is free.
        rules = rules.add_rule(NetPort::new(0, AccessNet::BindTcp))?;
    }
    let status = rules.restrict_self()?;
    if status.ruleset != landlock::RulesetStatus::FullyEnforced {
        tracing::info!(role = role.word(), status = ?status.ruleset, "the kernel confines files less than asked");
    }
    Ok(())
}

fn restrict_calls(role: Role) -> Result<(), Box<dyn Error>> {
    let mut allowed: BTreeMap<libc::c_long, Vec<SeccompRule>> = COMMON
        .iter()
        .chain(OF_ARCHITECTURE)
        .map(|&call| (call, Vec::new()))
        .collect();
    // The runtime wakes itself through a pair of its own.
    allowed.insert(
        libc::SYS_socketpair,
        vec![argument(0, libc::AF_UNIX as u64)?],
    );
    allowed.insert(libc::SYS_ioctl, vec![argument(1, libc::FIONBIO)?]);
    match role {
        Role::Dns | Role::Fetch | Role::MailCheck | Role::Cells | Role::Relay => {
            // To ask servers, over UDP and TCP.
            for call in [libc::SYS_bind, libc::SYS_connect] {
                allowed.insert(call, Vec::new());
            }
            if matches!(role, Role::Dns | Role::Relay) {
                allowed.insert(libc::SYS_accept4, Vec::new());
            }
            if role == Role::Relay {
                for call in [libc::SYS_pipe2, libc::SYS_splice] {
                    allowed.insert(call, Vec::new());
                }
            }
            let families = [libc::AF_INET, libc::AF_INET6].map(|family| argument(0, family as u64));
            allowed.insert(
                libc::SYS_socket,
                families.into_iter().collect::<Result<_, _>>()?,
            );
        }
        Role::Web => {
            allowed.insert(libc::SYS_accept4, Vec::new());
        }
        Role::Wireguard | Role::Tunnels => {}
    }
    let program: BpfProgram = SeccompFilter::new(
        allowed,
        // Code that asks for more gets an error it can report; nothing it asked for happens.
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

/// The call is allowed when its argument at this index has this value.
fn argument(index: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
    SeccompRule::new(vec![condition])
}
