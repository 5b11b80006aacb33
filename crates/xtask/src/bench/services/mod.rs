//! What services cost: how long one takes to come, what the way to it adds, and the memory of all that runs for it.
//!
//! Podman and the images are those of the box, in namespaces and so without limits of processor and memory. What is
//! installed is there when it answers a request that wants an app password. The first service brings the proxy along.
//!
//! The way to a service is Caddy with TLS and the question whose a request is; its peer is the same request to the same
//! container without either, from the box. Both are asked in turn, so that what slows the machine down slows both. A
//! client asks for something small as often as it is answered, on eight connections that stay (`rate`) or on one (`way`
//! is what a request takes longer then). A large file comes by the way of people alone (`download`).
//!
//! Aims: a service is there within 10 s, and one that was stopped within 5 s; nobody feels the way to it, and it takes
//! no more than three quarters of what a service can do when it has next to nothing to do; a file fills the line; each
//! of those who run holds no more than 80 MiB, so that both services, the proxy and podman leave most of 1 GiB.

mod host;
mod load;

use std::time::Duration;

use self::host::{CALENDAR, FILES, Kind};
pub(super) use self::host::{Host, Parts};
use self::load::{Load, Request};
use super::cell::OWNER;
use super::figure::{Aim, Figure};
use super::process;
use crate::error::XtaskError;
use crate::setup;

/// Boxes that are set up anew; of what is measured on one alone, times it is measured.
const RUNS: usize = 3;
pub(super) const MIB: f64 = 1_048_576.0;
/// Seconds until a person has waited long for something that they asked for.
const SOON: Aim = Aim::AtMost(10.0);
/// Of a service that is there already.
const STARTED: Aim = Aim::AtMost(5.0);
/// Milliseconds that the way may add: a page of twenty things asked for in turn is a tenth of a second later.
const UNFELT: Aim = Aim::AtMost(5.0);
/// What is left of the rate at which small things are answered.
const SMALL: Aim = Aim::AtLeast(0.25);
/// MiB a second that a line of 1 Gbit/s carries of a file.
const LINE: Aim = Aim::AtLeast(112.0);
/// MiB.
const HELD: Aim = Aim::AtMost(80.0);
/// Milliseconds of processor time for a request: a phone that asks for a hundred things costs a tenth of a second.
const CPU: Aim = Aim::AtMost(1.0);

pub(super) fn measure() -> Result<Vec<Figure>, XtaskError> {
    setup::ensure_service_bench()?;
    let parts = Parts::make()?;
    let [mut calendar, mut files] = [Vec::new(), Vec::new()];
    let mut host = None;
    for _ in 0..RUNS {
        // What the one before has in memory and on the disk goes first.
        drop(host.take());
        let new = Host::set_up(&parts)?;
        calendar.push(new.install(&CALENDAR)?.as_secs_f64());
        files.push(new.install(&FILES)?.as_secs_f64());
        host = Some(new);
    }
    let Some(host) = host else {
        return Ok(Vec::new());
    };
    let mut figures = vec![
        Figure::absolute("services.install_calendar", "s", &calendar, SOON),
        Figure::absolute("services.install_files", "s", &files, SOON),
    ];
    figures.extend(memory(&host)?);
    figures.extend(way(&host, &CALENDAR)?);
    figures.extend(way(&host, &FILES)?);
    figures.push(download(&host)?);
    figures.extend(costs(&host)?);
    for kind in [&CALENDAR, &FILES] {
        let mut started = Vec::new();
        for _ in 0..RUNS {
            started.push(host.start_anew(kind)?.as_secs_f64());
        }
        figures.push(Figure::absolute(kind.figures.start, "s", &started, STARTED));
    }
    Ok(figures)
}

/// What the way to a service adds to it.
fn way(host: &Host, kind: &Kind) -> Result<[Figure; 2], XtaskError> {
    host.put(kind)?;
    let password = host.app_password(None)?;
    let through = Request {
        from: host.laptop(),
        url: kind.url(),
        header: host::authorization(&password),
        status: 200,
    };
    let directly = Request {
        from: host.cell(),
        url: format!("http://{}:{}{}", host.address(kind)?, kind.port, kind.path),
        header: ("X-Remote-User".to_owned(), OWNER.to_owned()),
        status: 200,
    };
    let mut added = Vec::new();
    let [mut rate, mut direct_rate] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        let direct = directly.ask(Load::ONE)?.milliseconds;
        added.push(through.ask(Load::ONE)?.milliseconds - direct);
        direct_rate.push(directly.ask(Load::MANY)?.a_second());
        rate.push(through.ask(Load::MANY)?.a_second());
    }
    let figures = &kind.figures;
    Ok([
        Figure::absolute(figures.way, "ms", &added, UNFELT),
        Figure::relative(figures.rate, "1/s", &rate, &direct_rate, SMALL),
    ])
}

/// How fast a large file comes.
fn download(host: &Host) -> Result<Figure, XtaskError> {
    host.put_large()?;
    let mut rates = Vec::new();
    for _ in 0..RUNS {
        rates.push(host.large()?);
    }
    Ok(Figure::absolute(
        "services.download_files",
        "MiB/s",
        &rates,
        LINE,
    ))
}

/// What a request costs before it gets to a service: that of Caddy alone, and with the check of the app password, which
/// here is a right one for another service.
fn costs(host: &Host) -> Result<[Figure; 2], XtaskError> {
    let other = host.app_password(Some(CALENDAR.id))?;
    let sent_on = Request {
        from: host.laptop(),
        url: format!("{}/.well-known/caldav", CALENDAR.at()),
        header: ("Accept".to_owned(), "*/*".to_owned()),
        status: 301,
    };
    let refused = Request {
        from: host.laptop(),
        url: FILES.url(),
        header: host::authorization(&other),
        status: 403,
    };
    let proxy = host.processes_of(host::PROXY)?;
    let all = [proxy.clone(), host.daemon()?].concat();
    let cost = |request: &Request<'_>, processes: &[i32]| -> Result<f64, XtaskError> {
        let before = process::cpu_seconds(processes);
        let answered = request.ask(Load::MANY)?.requests;
        Ok((process::cpu_seconds(processes) - before) * 1_000.0 / answered)
    };
    let [mut passed, mut checked] = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        passed.push(cost(&sent_on, &proxy)?);
        checked.push(cost(&refused, &all)?);
    }
    Ok([
        Figure::absolute("services.proxy_cpu", "ms", &passed, CPU),
        Figure::absolute("services.check_cpu", "ms", &checked, CPU),
    ])
}

/// What is held in memory by whom, shared pages divided among their holders.
fn memory(host: &Host) -> Result<Vec<Figure>, XtaskError> {
    let mut figures = Vec::new();
    let mut held = vec![
        ("services.memory_proxy", host.processes_of(host::PROXY)?),
        ("services.memory_podman", host.podman()?),
    ];
    for kind in [&CALENDAR, &FILES] {
        held.push((kind.figures.memory, host.processes_of(kind.container)?));
    }
    for (name, processes) in held {
        let looks: Vec<f64> = (0..RUNS)
            .map(|_| {
                std::thread::sleep(Duration::from_secs(1));
                process::memory_bytes(&processes) / MIB
            })
            .collect();
        figures.push(Figure::absolute(name, "MiB", &looks, HELD));
    }
    Ok(figures)
}
