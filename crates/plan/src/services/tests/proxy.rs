//! The reverse proxy, and whom it is for.

use std::sync::Arc;
use std::time::Duration;

use cell_model::config::{Config, FormerConfig, NextConfig, ServiceConfig, ServiceToggle};
use cell_model::container::{ImageDigest, ImageRef};
use cell_model::facts::StartOptions;
use cell_model::spec::AnswersSpec;

use super::*;
use crate::resolve::resolve as resolve_box;
use crate::sample::Sample;

fn image() -> ImageRef {
    format!("caddy@{DIGEST}").parse().unwrap()
}

/// A box with the service `calendar`, which is found at `cal`.
fn sample() -> Sample {
    let mut sample = Sample::two_armed();
    let manifest = "schema = 1\nid = \"calendar\"\nname = \"A\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n\
                    [[container]]\nname = \"web\"\nimage = \"a@DIGEST\"\nmemory_mib = 64\ncpu_percent = 10\n\
                    processes = 8\nhealth = { port = 80 }\n[[route]]\nhost = \"cal\"\nbackend = \"web:80\"\n";
    let data = DataConfig {
        slot: 1,
        number: 1,
        lasting: 2,
    };
    let service = ServiceConfig::new(manifest.replace("DIGEST", DIGEST), data, BTreeMap::new());
    let config: &mut Config = sample.config.as_mut().unwrap();
    let id: ServiceId = "calendar".parse().unwrap();
    config.services.installed.insert(id, Arc::new(service));
    sample
}

#[test]
fn host_is_named_vouched_for_answered_and_led_to() {
    let (sample, image) = (sample(), image());
    let mut input = sample.input();
    input.proxy_image = Some(&image);
    let spec = resolve_box(&input);
    assert!(spec.leaf.names.contains("cal.hut.cell"));
    let zone = spec.dns.zone.as_ref().unwrap();
    assert!(zone.services.contains(&"cal".parse().unwrap()));
    let ports: Vec<u16> = spec
        .firewall
        .containers
        .ports
        .iter()
        .map(|port| port.port)
        .collect();
    assert_eq!(ports, [80, 443, 443]);
    let host = &spec.proxy.as_ref().unwrap().hosts[0];
    assert!(host.names.contains(&"cal.hut.cell".parse().unwrap()));
    let [web, proxy] = &spec.containers.services[..] else {
        panic!("{:?}", spec.containers);
    };
    assert_eq!(
        (proxy.id.as_str(), proxy.bridge.as_str()),
        ("proxy", "svc0")
    );
    let backend = SocketAddrV4::new(web.containers[0].address, 80);
    assert_eq!(host.answers, AnswersSpec::Backend(backend));
    let flow = FlowSpec {
        from: proxy.containers[0].address,
        to: backend,
    };
    assert_eq!(spec.firewall.containers.flows, BTreeSet::from([flow]));
    assert!(spec.firewall.containers.public.is_empty());

    // Without its image, and where no containers may run, nothing of it is there.
    let spec = resolve_box(&sample.input());
    assert!(spec.proxy.is_none() && spec.firewall.containers.ports.is_empty());
    let mut without = self::sample();
    without.options.containers = false;
    let spec = resolve_box(&without.input());
    assert!(spec.containers.is_empty() && spec.firewall.containers.networks.is_empty());
}

#[test]
fn admin_page_is_where_no_port_is_said_for_home_and_devices() {
    let (mut sample, image) = (sample(), image());
    let mut input = sample.input();
    input.proxy_image = Some(&image);
    input.opened_after = Duration::from_secs(7);
    let spec = resolve_box(&input);
    let proxy = spec.proxy.as_ref().unwrap();
    let sources: Vec<String> = proxy.sources.iter().map(ToString::to_string).collect();
    let home = ["10.31.7.0/24", "192.168.77.0/24", "fd12:3456:789a:1::/64"];
    assert_eq!(sources, home);
    let admin = proxy.admin.as_ref().unwrap();
    let names: Vec<&str> = admin.names.iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["admin.hut.cell", "hut.cell"]);
    assert!(names.iter().all(|name| spec.leaf.names.contains(*name)));
    assert_eq!(admin.opened_after, Duration::from_secs(7));
    assert_eq!(spec.firewall.https, None, "the proxy answers there");

    // Without one, the page answers there itself.
    assert_eq!(resolve_box(&sample.input()).firewall.https, Some(8443));
    sample.config = None;
    assert_eq!(resolve_box(&sample.input()).firewall.https, Some(8443));
    sample.options.admin = Some("192.168.77.1:443".parse().unwrap());
    assert_eq!(resolve_box(&sample.input()).firewall.https, None);
}

#[test]
fn internet_is_let_in_while_a_published_service_runs() {
    let (mut sample, image) = (sample(), image());
    let mut set = |published, enabled, routes: bool| {
        let config = sample.config.as_mut().unwrap();
        let service = config.services.installed.values_mut().next().unwrap();
        let service = Arc::make_mut(service);
        (service.published, service.enabled) = (published, enabled);
        let mut input = sample.input();
        input.proxy_image = Some(&image).filter(|_| routes);
        resolve_box(&input)
    };
    let spec = set(true, true, true);
    let containers = &spec.firewall.containers;
    assert_eq!(containers.public, containers.ports);
    let public: Vec<(&str, u16)> = containers
        .public
        .iter()
        .map(|port| (port.protocol.word(), port.port))
        .collect();
    assert_eq!(public, [("tcp", 80), ("tcp", 443), ("udp", 443)]);
    assert!(spec.proxy.as_ref().unwrap().hosts[0].public);
    for (published, enabled, routes) in [
        (false, true, true),
        (true, false, true),
        (true, true, false),
    ] {
        let spec = set(published, enabled, routes);
        assert!(spec.firewall.containers.public.is_empty());
        let hosts = spec.proxy.iter().flat_map(|proxy| &proxy.hosts);
        assert!(hosts.clone().all(|host| !host.public));
    }
}

#[test]
fn box_keeps_the_ports_that_it_was_started_with() {
    let image = image();
    let with = |change: fn(&mut StartOptions)| {
        let mut sample = sample();
        change(&mut sample.options);
        let mut input = sample.input();
        input.proxy_image = Some(&image);
        let spec = resolve_box(&input);
        (spec.proxy.is_some(), sample.options.in_place_of_proxy())
    };
    assert_eq!(with(|_| {}), (true, None));
    for (found, option) in [
        (
            with(|options| options.admin = "0.0.0.0:443".parse().ok()),
            "--admin with port 443",
        ),
        (
            with(|options| options.admin = "10.0.0.1:80".parse().ok()),
            "--admin with port 80",
        ),
        (
            with(|options| options.dns_port = 443),
            "--dns-port with port 443",
        ),
        (
            with(|options| options.wireguard_port = 443),
            "--wg-port with port 443",
        ),
    ] {
        assert_eq!(found, (false, Some(option.to_owned())));
    }
    // Over UDP nothing is at 80.
    assert_eq!(with(|options| options.wireguard_port = 80), (true, None));
}

#[test]
fn service_on_trial_keeps_its_name_and_nobody_is_led_to_it() {
    let (mut sample, image) = (sample(), image());
    let config = sample.config.as_mut().unwrap();
    let service = config.services.installed.values_mut().next().unwrap();
    let service = Arc::make_mut(service);
    service.former = Some(FormerConfig {
        manifest: service.manifest.clone(),
        number: 1,
        origin: None,
        answers: BTreeMap::new(),
    });
    let mut input = sample.input();
    input.proxy_image = Some(&image);
    let spec = resolve_box(&input);
    assert!(spec.leaf.names.contains("cal.hut.cell"));
    let zone = spec.dns.zone.as_ref().unwrap();
    assert!(zone.services.contains(&"cal".parse().unwrap()));
    let hosts = &spec.proxy.as_ref().unwrap().hosts;
    assert_eq!(hosts[0].answers, AnswersSpec::Later);
    assert_eq!(spec.firewall.containers.flows, BTreeSet::new());
}

#[test]
fn device_without_the_toggle_is_refused() {
    let (mut sample, image) = (sample(), image());
    sample.add_peer("phone", 2);
    sample.add_peer("guest", 3);
    sample.change_peer("phone", |peer| {
        peer.services.insert(ServiceToggle::Calendar);
    });
    let mut input = sample.input();
    input.proxy_image = Some(&image);
    let spec = resolve_box(&input);
    let host = &spec.proxy.as_ref().unwrap().hosts[0];
    assert_eq!(host.refused, BTreeSet::from([Ipv4Addr::new(10, 31, 7, 3)]));
}

#[test]
fn manifest_of_another_time_keeps_its_own_service_from_running() {
    let mut sample = sample();
    let config = sample.config.as_mut().unwrap();
    for service in config.services.installed.values_mut() {
        Arc::make_mut(service).manifest = "schema = 9".to_owned();
    }
    let spec = resolve_box(&sample.input());
    assert!(spec.containers.services.is_empty());
    let problem = spec.unfit_services.values().next().unwrap();
    assert!(problem.contains("does not take"), "{problem}");
}

#[test]
fn service_that_is_to_be_updated_goes_on_as_it_is_and_its_next_images_are_known() {
    let (mut sample, image) = (sample(), image());
    let with_proxy = |sample: &Sample| {
        let mut input = sample.input();
        input.proxy_image = Some(&image);
        resolve_box(&input)
    };
    let before = with_proxy(&sample);
    let config = sample.config.as_mut().unwrap();
    let (id, service) = config.services.installed.iter_mut().next().unwrap();
    let id = id.clone();
    let service = Arc::make_mut(service);
    let other: ImageDigest = DIGEST.replace("00", "ff").parse().unwrap();
    let manifest = service.manifest.replace(DIGEST, &other.to_string());
    service.next = Some(NextConfig {
        manifest,
        origin: None,
    });
    let mut after = with_proxy(&sample);
    let mut containers = ContainersSpec::clone(&after.containers);
    let next = std::mem::take(&mut containers.next);
    assert_eq!(next[&id].images, BTreeSet::from([other]));
    let kept = &mut containers.kept_images;
    let stay = kept.as_ref().unwrap();
    assert!(stay.contains(&image.digest) && stay.contains(&other));
    kept.clone_from(&before.containers.kept_images);
    after.containers = Arc::new(containers);
    assert_eq!(after, before);

    // One that this version of the box does not take keeps nobody from going on.
    let config = sample.config.as_mut().unwrap();
    let service = config.services.installed.get_mut(&id).unwrap();
    let next = &mut Arc::make_mut(service).next;
    next.as_mut().unwrap().manifest = "schema = 9".to_owned();
    let mut after = with_proxy(&sample);
    let mut containers = ContainersSpec::clone(&after.containers);
    let kept = std::mem::replace(
        &mut containers.kept_images,
        before.containers.kept_images.clone(),
    );
    assert_eq!(kept, None, "which images are its is not known");
    after.containers = Arc::new(containers);
    assert_eq!(after, before);
}

#[test]
fn host_is_shared_with_the_cells_that_were_given_it() {
    let (mut sample, image) = (sample(), image());
    for (name, number) in [("cabin", 40), ("boat", 41), ("tower", 42)] {
        sample.add_link(name, number);
    }
    sample.change_link(0, |link| link.services = [ServiceToggle::Calendar].into());
    sample.change_link(1, |link| link.services = [ServiceToggle::Files].into());
    sample.change_link(2, |link| {
        link.services = [ServiceToggle::Calendar].into();
        link.paused = true;
    });
    let mut input = sample.input();
    input.proxy_image = Some(&image);
    let spec = resolve_box(&input);
    let guests = &spec.proxy.as_ref().unwrap().hosts[0].guests;
    let cabin = ["10.40.0.0/24", "fd00:40::/64"].map(|net| net.parse().unwrap());
    assert_eq!(*guests, cabin.into());
    let [cabin, boat] = &spec.firewall.links[..] else {
        panic!("{:?}", spec.firewall.links);
    };
    assert_eq!(cabin.ports, spec.firewall.containers.ports);
    assert!(boat.ports.is_empty());

    // What is behind no toggle is for the household.
    let config = sample.config.as_mut().unwrap();
    let service = config
        .services
        .installed
        .remove(&"calendar".parse().unwrap())
        .unwrap();
    let manifest = service.manifest.replace("calendar", "wiki");
    let wiki = ServiceConfig::new(manifest, service.data, BTreeMap::new());
    let id: ServiceId = "wiki".parse().unwrap();
    config.services.installed.insert(id, Arc::new(wiki));
    let mut input = sample.input();
    input.proxy_image = Some(&image);
    let spec = resolve_box(&input);
    assert!(spec.proxy.as_ref().unwrap().hosts[0].guests.is_empty());
    assert!(spec.firewall.links.iter().all(|link| link.ports.is_empty()));
}
