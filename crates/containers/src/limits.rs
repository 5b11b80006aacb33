//! What each volume may hold. Pure.
//!
//! A manifest says it, or the disk does. Of the disk a part is the box's own: as much as the reserve that data is mounted
//! with (`mount-data`), which nobody but root can write into, whatever is promised here.

use std::collections::BTreeMap;

use cell_model::spec::{ContainersSpec, ServiceSpec};

use crate::names;

const MIB: u64 = 1024 * 1024;
/// The box's part: a sixteenth, and at most 2 GiB.
const RESERVED_PART: u64 = 16;
const RESERVED_MOST: u64 = 2048 * MIB;
/// A block of ext4 as the box makes it: what the smallest file takes.
const BLOCK: u64 = 4096;
/// Of the files that the file system can have, services have these. Nothing keeps the others for root.
const FILES_OF_SERVICES: (u64, u64) = (3, 4);
/// The fewest files that a volume may have; 0 would be no limit.
const FEWEST_FILES: u64 = 16;

/// The file system with the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Its bytes.
    pub(crate) bytes: u64,
    /// How many files it can have.
    pub(crate) files: u64,
}

/// What a volume may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeLimit {
    /// On the disk.
    pub mib: u64,
    /// Files and folders.
    pub files: u64,
}

/// VolumeLimits by the names of volumes.
pub type VolumeLimits = BTreeMap<String, VolumeLimit>;

/// The limits of all volumes on this disk.
///
/// One without a limit of its own may hold what the others leave, but always half of what services have. So it can take
/// from others what they were promised only where more is promised than there is.
pub(crate) fn limits(spec: &ContainersSpec, disk: Disk) -> VolumeLimits {
    let of_services = disk.bytes - (disk.bytes / RESERVED_PART).min(RESERVED_MOST);
    let of_services = of_services / MIB;
    let asked: BTreeMap<String, Option<u64>> = spec.services.iter().flat_map(volumes).collect();
    let promised: u64 = asked.values().flatten().sum();
    let rest = of_services.saturating_sub(promised).max(of_services / 2);
    let mib = |asked: Option<u64>| asked.unwrap_or(rest).min(of_services);

    // As many files as blocks, where that is not more than there can be.
    let wanted = |mib: u64| mib * (MIB / BLOCK);
    let all: u64 = asked.values().map(|asked| wanted(mib(*asked))).sum();
    let (part, whole) = FILES_OF_SERVICES;
    let most = disk.files / whole * part;
    let files = |mib: u64| match all > most {
        true => share(wanted(mib), most, all).max(FEWEST_FILES),
        false => wanted(mib),
    };
    let limit = |(name, asked): (String, Option<u64>)| {
        let mib = mib(asked);
        let files = files(mib);
        (name, VolumeLimit { mib, files })
    };
    asked.into_iter().map(limit).collect()
}

/// `of * part / whole`, without a product that is too large.
fn share(of: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(of) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(part)
}

/// The volumes of a service, with what was asked for.
fn volumes(service: &ServiceSpec) -> impl Iterator<Item = (String, Option<u64>)> + '_ {
    service.volumes.iter().map(|(volume, asked)| {
        let name = names::volume(&service.id, volume, asked.number);
        (name, asked.max_mib.map(u64::from))
    })
}

#[cfg(test)]
mod tests {
    use cell_model::container::IdRange;
    use cell_model::spec::VolumeSpec;
    use proptest::prelude::*;

    use std::collections::BTreeSet;

    use super::*;

    const GIB: u64 = 1024 * MIB;

    fn disk(gib: u64) -> Disk {
        Disk {
            bytes: gib * GIB,
            files: gib * GIB / 16_384,
        }
    }

    /// Services with one volume each, and what it may hold.
    fn spec(volumes: &[Option<u32>]) -> ContainersSpec {
        let service = |(at, max_mib): (usize, &Option<u32>)| {
            let volume = VolumeSpec {
                number: 1,
                copy_of: None,
                max_mib: *max_mib,
            };
            ServiceSpec {
                id: format!("s{at}").parse().unwrap(),
                bridge: "svc1".parse().unwrap(),
                network: "172.20.0.0/27".parse().unwrap(),
                ids: IdRange {
                    first: 0x4000_0000,
                    size: 65_536,
                },
                volumes: BTreeMap::from([("data".parse().unwrap(), volume)]),
                data: 1,
                containers: Vec::new(),
                names: BTreeSet::new(),
                certificate_key: None,
                end: Vec::new(),
                remove: None,
            }
        };
        ContainersSpec {
            services: volumes.iter().enumerate().map(service).collect(),
            ..ContainersSpec::default()
        }
    }

    fn mib(volumes: &[Option<u32>], disk: Disk) -> Vec<u64> {
        let limits = limits(&spec(volumes), disk);
        limits.values().map(|limit| limit.mib).collect()
    }

    #[test]
    fn who_names_no_limit_has_what_the_others_leave() {
        assert_eq!(mib(&[Some(1_024)], disk(16)), [1_024]);
        // 1 GiB of 16 is the box's.
        assert_eq!(mib(&[Some(1_024), None], disk(16)), [1_024, 14 * 1_024]);
        // Of a large disk, 2 GiB are.
        assert_eq!(mib(&[None], disk(1_000)), [998 * 1_024]);
    }

    #[test]
    fn promises_beyond_the_disk_leave_half_to_who_names_no_limit() {
        assert_eq!(
            mib(&[Some(10_240), Some(10_240), None], disk(16)),
            [10_240, 10_240, 7_680]
        );
        assert_eq!(mib(&[Some(1 << 24)], disk(16)), [15 * 1_024]);
    }

    #[test]
    fn files_are_as_many_as_blocks_but_never_all_that_the_disk_can_have() {
        let limits_of = |volumes: &[Option<u32>]| {
            let limits = limits(&spec(volumes), disk(16));
            limits.into_values().map(|limit| limit.files).collect()
        };
        let files: Vec<u64> = limits_of(&[Some(1_024)]);
        assert_eq!(files, [262_144]);
        let files: Vec<u64> = limits_of(&[Some(1_024), None, None]);
        assert!(files.iter().sum::<u64>() <= disk(16).files / 4 * 3);
        assert!(files[1] > 10 * files[0], "{files:?}");
    }

    proptest! {
        #[test]
        fn no_volume_is_without_a_limit_or_may_have_the_boxs_part(
            volumes in prop::collection::vec(prop::option::of(1_u32..1 << 24), 0..20),
            mib in 64_u64..1 << 24,
        ) {
            let disk = Disk { bytes: mib * MIB, files: mib * 64 };
            let limits = limits(&spec(&volumes), disk);
            prop_assert_eq!(limits.len(), volumes.len());
            for limit in limits.values() {
                prop_assert!(limit.mib > 0 && limit.files > 0, "0 would be no limit");
                prop_assert!(limit.mib * MIB <= disk.bytes - (disk.bytes / RESERVED_PART).min(RESERVED_MOST));
            }
        }
    }
}
