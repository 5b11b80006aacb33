//! A box with services, and the computers of people who use them.

use cell_testkit::celld::PATIENCE;
use cell_testkit::wait_for;
use cell_testkit::world::HOME_GATEWAY;
use cell_tests::device::{Device, guide};
use cell_tests::services::{AppPassword, ServiceHost};

/// A box with these services, well and answering by name.
pub(crate) fn serving(services: &[&str]) -> ServiceHost {
    let host = ServiceHost::with_own_services();
    for service in services {
        host.install(service);
    }
    for service in services {
        host.wait(service, "ok");
        host.wait_answer(service, 401);
    }
    // The laptop asks the box for names, as everything at home does.
    let laptop = &host.cell.world.laptop;
    laptop.set_resolvers(&[HOME_GATEWAY.into()]).unwrap();
    host
}

/// Stops a service, and starts it again.
pub(crate) fn restart(host: &ServiceHost, service: &str) {
    host.enable(service, false);
    // All of it is over, and nothing of before answers.
    let containers = format!("name=^cell\\.{service}\\.");
    let list = ["ps", "--all", "--quiet", "--filter", &containers];
    let stopped = wait_for(PATIENCE, || {
        let is_silent = host.ask(service, "/", &[]).0 != 401;
        (is_silent && host.podman(&list).is_empty()).then_some(())
    });
    assert!(stopped.is_some(), "{}", host.service(service));
    host.enable(service, true);
    host.wait(service, "ok");
    host.wait_answer(service, 401);
}

/// The laptop, whose owner does what the page of a service says for a platform.
pub(crate) fn device(
    host: &ServiceHost,
    service: &str,
    platform: &str,
    password: &AppPassword,
) -> Device {
    let guide = guide(&host.service(service), platform);
    let laptop = &host.cell.world.laptop;
    Device::new(laptop, &host.cell.celld.ca_pem(), &guide, &password.text)
}
