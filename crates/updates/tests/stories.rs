//! What a box goes through, from update to fallback, told with the fake and with files in a folder.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::BTreeSet;

use cell_updates::boot_state::fake::FakeBootState;
use cell_updates::boot_state::{
    BLOCK_SIZE, BootState, BootStateError, Folder, GrubBootState, Health, Mode, Outcome, Repaired,
    Running, Slot, Start, StateFile, TrialEnd, encode,
};

/// A box that has come up once.
fn fresh() -> FakeBootState {
    let boot = FakeBootState::new();
    assert_eq!(boot.repair(Health::Starting).unwrap(), Repaired::default());
    assert_eq!(boot.repair(Health::Healthy).unwrap(), Repaired::default());
    boot
}

fn on(slot: Slot, mode: Mode) -> Option<Start> {
    Some(Start { slot, mode })
}

#[test]
fn vacant_slot_counts_again_once_it_was_filled() {
    let boot = fresh();
    boot.withdraw_other().unwrap();
    let vacant = |boot: &FakeBootState| boot.wanted().unwrap().vacant(&boot.current().unwrap());
    assert_eq!(vacant(&boot), Some(Slot::B));
    boot.restore_other().unwrap();
    assert_eq!(boot.wanted().unwrap().other, Some(Slot::B));
    assert_eq!(vacant(&boot), None);

    // What failed on trial is vacant too; what is on trial is not.
    boot.begin_trial(Slot::B).unwrap();
    assert_eq!(vacant(&boot), None);
    for _ in 0..3 {
        assert_eq!(boot.boot(), on(Slot::B, Mode::Trial));
        assert_eq!(vacant(&boot), None);
        assert!(boot.restore_other().is_err());
    }
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
    boot.repair(Health::Starting).unwrap();
    assert_eq!(vacant(&boot), Some(Slot::B));

    // A box that fell back never overwrites its primary.
    boot.restore_other().unwrap();
    for _ in 0..3 {
        boot.boot();
    }
    assert_eq!(boot.boot(), on(Slot::B, Mode::Normal));
    let before = boot.wanted().unwrap();
    assert_eq!(vacant(&boot), None);
    boot.restore_other().unwrap();
    assert_eq!(boot.wanted().unwrap(), before);
}

#[test]
fn a_trial_that_is_committed_stays() {
    let boot = fresh();
    boot.withdraw_other().unwrap();
    assert_eq!(boot.wanted().unwrap().other, None);
    boot.begin_trial(Slot::B).unwrap();
    assert_eq!(Some(boot.wanted().unwrap().next), on(Slot::B, Mode::Trial));

    assert_eq!(boot.boot(), on(Slot::B, Mode::Trial));
    boot.repair(Health::Starting).unwrap();
    boot.commit().unwrap();
    let wanted = boot.wanted().unwrap();
    assert_eq!((wanted.primary, wanted.other), (Slot::B, Some(Slot::A)));
    assert_eq!(
        wanted.last.unwrap().to_string(),
        "last trial of slot b passed after 1 try"
    );
    boot.commit().unwrap();
    assert_eq!(
        boot.wanted().unwrap(),
        wanted,
        "a second time changes nothing"
    );
    assert_eq!(boot.boot(), on(Slot::B, Mode::Normal));
}

#[test]
fn a_trial_that_never_proves_itself_ends_after_three_starts_and_is_remembered() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    for _ in 0..3 {
        assert_eq!(boot.boot(), on(Slot::B, Mode::Trial));
        let repaired = boot.repair(Health::Starting).unwrap();
        assert_eq!(
            repaired,
            Repaired::default(),
            "a trial's tries are not given back"
        );
        boot.repair(Health::Healthy).unwrap();
    }
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
    let failed = Outcome {
        slot: Slot::B,
        end: TrialEnd::Failed,
        tries: 3,
    };
    assert_eq!(
        boot.repair(Health::Starting).unwrap().failed_trial,
        Some(failed)
    );
    assert_eq!(
        boot.repair(Health::Starting).unwrap().failed_trial,
        None,
        "once"
    );
    let wanted = boot.wanted().unwrap();
    assert_eq!(
        (wanted.primary, wanted.other, wanted.trial),
        (Slot::A, None, None)
    );
    assert_eq!(wanted.last, Some(failed));
}

#[test]
fn a_trial_that_cannot_be_loaded_costs_no_start() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.set_loadable([Slot::A]);
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
    assert_eq!(boot.wanted().unwrap().unreadable, BTreeSet::from([Slot::B]));
    let failed = boot.repair(Health::Starting).unwrap().failed_trial.unwrap();
    assert_eq!(
        failed.to_string(),
        "last trial of slot b failed: it could not be loaded"
    );
    boot.repair(Health::Healthy).unwrap();
    assert!(
        boot.wanted().unwrap().unreadable.is_empty(),
        "healthy again"
    );
}

#[test]
fn power_that_flaps_does_not_use_up_a_box_that_comes_up() {
    let boot = fresh();
    for _ in 0..20 {
        assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
        boot.boot();
        boot.repair(Health::Starting).unwrap();
        assert!(boot.repair(Health::Healthy).unwrap().tries_reset);
    }
}

#[test]
fn a_box_that_fell_back_stays_there_until_somebody_decides() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    boot.commit().unwrap();
    // Slot b was good for once; now it does not come up any more.
    for _ in 0..3 {
        assert_eq!(boot.boot(), on(Slot::B, Mode::Normal));
    }
    for _ in 0..5 {
        assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
        boot.repair(Health::Starting).unwrap();
        boot.repair(Health::Healthy).unwrap();
    }
    assert_eq!(boot.wanted().unwrap().primary, Slot::B);
    boot.commit().unwrap();
    let wanted = boot.wanted().unwrap();
    assert_eq!((wanted.primary, wanted.other), (Slot::A, None));
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
}

#[test]
fn both_slots_failing_leads_to_recovery_and_a_recovery_that_came_up_starts_over() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    boot.commit().unwrap();
    let starts: Vec<_> = (0..7).map(|_| boot.boot().unwrap()).collect();
    assert_eq!(Some(starts[6]), on(Slot::B, Mode::Recovery));
    assert!(matches!(boot.commit(), Err(BootStateError::Recovery)));
    assert!(boot.repair(Health::Starting).unwrap().tries_reset);
    assert_eq!(boot.boot(), on(Slot::B, Mode::Normal));

    // A recovery that does not come up either is followed by the one of the other slot, then everything again.
    let starts: Vec<_> = (0..8).map(|_| boot.boot().unwrap()).collect();
    assert_eq!(Some(starts[6]), on(Slot::A, Mode::Recovery));
    assert_eq!(Some(starts[7]), on(Slot::B, Mode::Normal));
}

#[test]
fn a_pending_trial_can_be_taken_back() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.rollback().unwrap();
    let wanted = boot.wanted().unwrap();
    assert_eq!((wanted.trial, wanted.other), (None, None));
    assert_eq!(wanted.last.unwrap().end, TrialEnd::GivenUp);
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
}

#[test]
fn a_running_trial_can_be_given_up_and_not_committed_afterwards() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    boot.boot();
    assert!(matches!(
        boot.withdraw_other(),
        Err(BootStateError::TrialRunning(Slot::B))
    ));
    assert!(matches!(
        boot.begin_trial(Slot::A),
        Err(BootStateError::TrialRunning(Slot::B))
    ));
    boot.rollback().unwrap();
    boot.rollback().unwrap();
    assert!(matches!(
        boot.commit(),
        Err(BootStateError::TakenBack(Slot::B))
    ));
    let last = boot.wanted().unwrap().last.unwrap();
    assert_eq!(
        last.to_string(),
        "last trial of slot b was taken back after 2 tries"
    );
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
}

#[test]
fn a_running_system_found_damaged_gives_way_to_the_other() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    boot.commit().unwrap();
    boot.boot();
    boot.rollback().unwrap();
    let wanted = boot.wanted().unwrap();
    assert_eq!((wanted.primary, wanted.other), (Slot::A, None));
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
    boot.repair(Health::Starting).unwrap();
    assert!(matches!(
        boot.rollback(),
        Err(BootStateError::NothingToGoBackTo)
    ));
    assert!(matches!(
        boot.begin_trial(Slot::A),
        Err(BootStateError::AlreadyRunning(Slot::A))
    ));
}

#[test]
fn the_next_update_can_begin_before_the_box_is_restarted() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    boot.commit().unwrap();
    boot.withdraw_other().unwrap();
    boot.begin_trial(Slot::A).unwrap();
    boot.repair(Health::Healthy).unwrap();
    assert_eq!(boot.boot(), on(Slot::A, Mode::Trial));
    boot.commit().unwrap();
    assert_eq!(boot.wanted().unwrap().primary, Slot::A);
}

#[test]
fn a_trial_whose_count_is_lost_is_over() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    for file in StateFile::TRIES {
        boot.files().put(file, None);
    }
    assert_eq!(boot.boot(), on(Slot::A, Mode::Normal));
    let failed = boot.repair(Health::Starting).unwrap().failed_trial.unwrap();
    assert_eq!(
        failed.to_string(),
        "last trial of slot b failed: the count of its tries was lost"
    );
}

#[test]
fn without_a_readable_selection_what_runs_is_taken_for_right() {
    let boot = fresh();
    boot.begin_trial(Slot::B).unwrap();
    boot.boot();
    boot.commit().unwrap();
    boot.boot();
    for file in StateFile::SELECTIONS {
        boot.files().put(file, Some(vec![0; BLOCK_SIZE]));
    }
    let repaired = boot.repair(Health::Starting).unwrap();
    assert_eq!(repaired.rewritten, StateFile::ALL.into());
    let wanted = boot.wanted().unwrap();
    assert_eq!(wanted.primary, Slot::B);
    // What the other slot holds is not known any more: it is filled anew.
    assert_eq!(wanted.vacant(&boot.current().unwrap()), Some(Slot::A));
}

#[test]
fn files_in_a_folder_are_made_mended_and_written_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let command_line = folder.path().join("cmdline");
    std::fs::write(
        &command_line,
        "quiet cell.slot=a cell.select=1-2 cell.mode=normal",
    )
    .unwrap();
    let boot = GrubBootState::with_command_line(Folder::new(folder.path()), &command_line);
    let running = boot.current().unwrap();
    assert_eq!(
        running,
        Running {
            slot: Slot::A,
            mode: Mode::Normal,
            select: "1-2".to_owned()
        }
    );

    let repaired = boot.repair(Health::Starting).unwrap();
    assert_eq!(repaired.rewritten, StateFile::ALL.into());
    let path = |file: StateFile| folder.path().join(file.path());
    let selection = std::fs::read(path(StateFile::Selection0)).unwrap();
    assert_eq!(selection, encode("000001.a.-.-.---"));

    std::fs::write(path(StateFile::Selection0), &selection[..500]).unwrap();
    std::fs::remove_file(path(StateFile::Tries1)).unwrap();
    let before = std::fs::metadata(path(StateFile::Selection1)).unwrap();
    let repaired = boot.repair(Health::Starting).unwrap();
    assert_eq!(
        repaired.rewritten,
        [StateFile::Selection0, StateFile::Tries1].into()
    );
    assert_eq!(
        std::fs::read(path(StateFile::Selection0)).unwrap(),
        selection
    );

    boot.begin_trial(Slot::B).unwrap();
    let after = std::fs::metadata(path(StateFile::Selection1)).unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(before.ino(), after.ino());
    assert_eq!(after.len(), 1024);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let running = Running {
        slot: Slot::A,
        mode: Mode::Normal,
        select: String::new(),
    };
    let boot = GrubBootState::with_running(Folder::new("/nowhere"), running);
    assert_eq!(
        boot.wanted().unwrap_err().to_string(),
        "cannot open /nowhere"
    );
}
