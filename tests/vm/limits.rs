//! Services that take all they can get of the disk, memory and processes: each comes to its own limit, and the box and
//! the other services go on.
#![expect(
    clippy::unwrap_used,
    reason = "code of tests: what goes wrong ends the test"
)]

use cell_testkit::wait_for;
use cell_tests::expect_status;
use cell_tests::vm::{Appliance, BOOTS};
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;
/// What each service is made of, and where it may write.
const CALENDAR: (&str, &str) = ("cell.calendar.radicale", "/var/lib/radicale");
const FILES: (&str, &str) = ("cell.files.copyparty", "/data");

fn look(appliance: &Appliance, service: &str) -> Value {
    appliance.get(&format!("/api/services/active/{service}"))["service"].clone()
}

fn volume(appliance: &Appliance, service: &str) -> Value {
    look(appliance, service)["volumes"][0].clone()
}

fn wait_well(appliance: &Appliance, service: &str) {
    let is_well = || (look(appliance, service)["state"] == "ok").then_some(());
    let well = wait_for(BOOTS, is_well);
    assert!(well.is_some(), "{}", look(appliance, service));
}

/// What a program of one line says last in a container, as the user that the service has there.
fn say(appliance: &Appliance, container: &str, program: &str) -> String {
    // With its status, since what is ended says nothing.
    let run = format!("podman exec {container} python3 -c \"{program}\" 2>&1");
    appliance.answer(&format!(
        "{{ {run}; echo ended $?; }} | tail -n 2 | tr '\\n' ' '"
    ))
}

/// Takes room in a container's folder, as fast as the disk gives it, up to 4 GiB: more than the disk has.
fn fill(appliance: &Appliance, (container, folder): (&str, &str)) -> String {
    let each = "[os.posix_fallocate(f,i<<20,1<<20) for i in range(4096)]";
    let open = format!("import os;f=os.open('{folder}/fill',66)");
    say(appliance, container, &format!("{open};{each}"))
}

fn assert_full(appliance: &Appliance, service: &str) {
    let seen = look(appliance, service);
    assert_eq!(seen["volumes"][0]["full"], true, "{seen}");
    let detail = seen["detail"].as_str().unwrap();
    assert!(detail.contains("next to nothing more"), "{detail}");
}

/// What a container's own count of its file says, in MiB.
fn filled(appliance: &Appliance, (container, folder): (&str, &str)) -> u64 {
    let count = format!("import os;print('MiB',os.stat('{folder}/fill').st_blocks>>11)");
    let said = say(appliance, container, &count);
    let number = said.split_whitespace().nth(1);
    number.unwrap().parse().unwrap()
}

#[test]
#[ignore = "boots twice and starts containers; run by `cargo xtask test --long vm_long`"]
fn vm_long_services_that_take_all_they_can_get_leave_the_box_and_each_other_their_part() {
    let mut appliance = Appliance::start();
    appliance.set_up();
    for service in ["calendar", "files"] {
        let path = format!("/api/store/{service}/install");
        let installed = appliance.owner.post(&path, &json!({}));
        expect_status(&installed.unwrap(), 201);
    }
    for service in ["calendar", "files"] {
        wait_well(&appliance, service);
    }
    let tested = appliance
        .owner
        .post("/api/parts/containers/test", &json!({}));
    let tested = tested.unwrap().json().to_string();
    assert!(tested.contains("Each has a limit"), "{tested}");

    // As its manifest says; and what the disk has besides, for who says nothing.
    assert_eq!(volume(&appliance, "calendar")["max_bytes"], 1024 * MIB);
    let rest = volume(&appliance, "files")["max_bytes"].as_u64().unwrap();
    assert!(rest > 512 * MIB && rest < 2048 * MIB, "{rest}");

    appliance.open_shell_as_owner();
    let said = fill(&appliance, CALENDAR);
    assert!(said.contains("Errno"), "{said}");
    assert_full(&appliance, "calendar");
    let held = filled(&appliance, CALENDAR);
    assert!((1_000..=1_024).contains(&held), "{held} MiB");
    // The other one has room, until it takes what is left.
    assert_eq!(volume(&appliance, "files")["full"], false);
    let said = fill(&appliance, FILES);
    assert!(said.contains("Errno"), "{said}");
    assert_full(&appliance, "files");
    assert!(filled(&appliance, FILES) > 256);

    // No folder in memory is without an end.
    let endless =
        "print([l for l in open('/proc/mounts') if ' tmpfs rw' in l and 'size=' not in l])";
    let said = say(&appliance, CALENDAR.0, endless);
    assert!(said.contains("[]"), "{said}");
    // Neither memory nor processes are without end.
    let said = say(&appliance, CALENDAR.0, "b=b'x'*(1<<30)");
    assert!(
        said.contains("137") || said.contains("MemoryError"),
        "{said}"
    );
    let forks = "[os.fork() or (time.sleep(2),os._exit(0)) for i in range(99)]";
    // Who makes them waits for them: nobody else in the container would, and what is not waited for counts.
    let wait = "atexit.register(lambda:[os.wait() for i in range(99)])";
    let program = format!("import os,time,atexit;{wait};{forks}");
    let run = format!("podman exec {} python3 -c \"{program}\"", CALENDAR.0);
    let said = appliance.answer(&format!("{run} 2>&1 | grep 'Errno 11'"));
    assert!(said.contains("Errno 11"), "{said}");

    // The box has its part: podman makes containers, and root writes.
    let written = "dd if=/dev/zero of=/data/probe bs=1M count=64 conv=fsync 2>/dev/null && echo written; rm /data/probe";
    assert!(appliance.answer(written).contains("written"));
    let restarted = appliance
        .owner
        .post("/api/services/active/files/restart", &json!({}));
    expect_status(&restarted.unwrap(), 204);
    wait_well(&appliance, "calendar");
    wait_well(&appliance, "files");
    appliance.add_peer("laptop");

    // What was counted is counted after a power cut, too.
    appliance.power_cycle();
    appliance.sign_in();
    wait_well(&appliance, "calendar");
    wait_well(&appliance, "files");
    assert_full(&appliance, "calendar");
    assert_full(&appliance, "files");
}
