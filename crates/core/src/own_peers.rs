//! Devices and whose they are: people look after their own, and take them along when they go.

use cell_control::change::{Change, OwnPeerChange, PeerForm, PeerUpdate};
use cell_control::view::{Page, PeerView};
use cell_model::Timestamp;
use cell_model::account::Identity;
use cell_model::config::{Config, PeerConfig};
use cell_model::name::{PeerName, Username};
use cell_model::problem::Problem;

use crate::answer::by_key;
use crate::{Core, file};

/// Devices that a person may have when they add one themselves: enough for all that somebody carries, and far from all
/// addresses of the VPN. Those who run the box may give them more.
const MOST_OWN: usize = 16;

impl Core {
    pub(crate) async fn own_peers(&self, identity: &Identity) -> Result<Page<PeerView>, Problem> {
        let config = self.config()?;
        let seen = self.seen().await;
        let (by_key, now) = (by_key(seen.as_ref()), (self.clock)());
        let items = of(&config, &identity.username).map(|(name, peer)| {
            let seen = by_key.get(&peer.public_key).copied();
            file::view(name, peer, seen, self.is_open(peer), now)
        });
        Ok(Page {
            items: items.collect(),
            next: None,
        })
    }

    /// The change as it is to be made: a person's about their own device is one about that device. Refuses what names
    /// somebody who is not there.
    pub(crate) fn of_whom(
        &self,
        identity: &Identity,
        config: &Config,
        change: &Change,
    ) -> Result<Change, Problem> {
        let own = |name: &PeerName| {
            let mut own = of(config, &identity.username);
            match own.any(|(other, _)| other == name) {
                true => Ok(name.clone()),
                false => Err(Problem::not_found(format!("device {name} of yours"))),
            }
        };
        match change {
            Change::OwnPeer(OwnPeerChange::Add(form)) => {
                // Root has no account, and so no devices.
                self.account(&identity.username)?;
                if of(config, &identity.username).count() >= MOST_OWN {
                    return Err(too_many());
                }
                Ok(Change::AddPeer(PeerForm {
                    name: form.name.clone(),
                    username: Some(identity.username.clone()),
                    full_tunnel: form.full_tunnel,
                    public_key: form.public_key,
                    services: None,
                    peer_to_peer: false,
                    preshared_key: false,
                    exit_connection_id: None,
                    expires_at: None,
                }))
            }
            Change::OwnPeer(OwnPeerChange::Rekey { name }) => {
                own(name).map(|name| Change::RekeyPeer { name })
            }
            Change::OwnPeer(OwnPeerChange::FetchFile { name }) => {
                own(name).map(|name| Change::FetchPeerFile { name })
            }
            Change::OwnPeer(OwnPeerChange::Remove { name }) => {
                own(name).map(|name| Change::RemovePeer { name })
            }
            Change::AddPeer(PeerForm {
                username: Some(username),
                ..
            })
            | Change::ChangePeer {
                update:
                    PeerUpdate {
                        username: Some(Some(username)),
                        ..
                    },
                ..
            } => match self.people().accounts.contains_key(username) {
                true => Ok(change.clone()),
                false => Err(Problem::field("username", "must be the name of an account")),
            },
            Change::PutGroup { members, .. } => {
                let people = self.people();
                let mut members = members.iter();
                match members.find(|member| !people.accounts.contains_key(*member)) {
                    Some(member) => Err(Problem::field(
                        "members",
                        format!("must be names of accounts; there is no {member}"),
                    )),
                    None => Ok(change.clone()),
                }
            }
            _ => {
                self.check_mail_names(config, change)?;
                Ok(change.clone())
            }
        }
    }

    /// When a revision was made; the beginning of time for one that is not kept any more.
    pub(crate) fn time_of(&self, revision: u64) -> Timestamp {
        let found = self.store.revision(revision);
        found.map_or(Timestamp::MIN, |found| found.summary.time)
    }

    /// Takes whoever has gone since out of the mail and the groups of a config of back `then`, and their devices out of it, also when
    /// somebody else has their name by now. Answers which devices.
    pub(crate) fn without_strangers(
        &self,
        now: &Config,
        earlier: &mut Config,
        then: Timestamp,
    ) -> Vec<String> {
        self.without_strangers_in_mail(now, earlier, then);
        let people = self.people();
        let is_strange = |name: &PeerName, peer: &PeerConfig| {
            let Some(username) = &peer.username else {
                return false;
            };
            let present = now.peers.get(name);
            let account = people.accounts.get(username);
            present.is_none_or(|present| present.username != peer.username)
                && account.is_none_or(|account| account.created_at > then)
        };
        for (name, group) in &mut earlier.groups {
            let present = now.groups.get(name);
            group.members.retain(|member| {
                let account = people.accounts.get(member);
                present.is_some_and(|present| present.members.contains(member))
                    || account.is_some_and(|account| account.created_at <= then)
            });
        }
        let mut gone = Vec::new();
        earlier.peers.retain(|name, peer| {
            let stays = !is_strange(name, peer);
            gone.extend((!stays).then(|| name.to_string()));
            stays
        });
        gone
    }
}

fn of<'a>(
    config: &'a Config,
    username: &'a Username,
) -> impl Iterator<Item = (&'a PeerName, &'a PeerConfig)> {
    let peers = config
        .peers
        .iter()
        .map(|(name, peer)| (name, peer.as_ref()));
    peers.filter(move |(_, peer)| peer.username.as_ref() == Some(username))
}

fn too_many() -> Problem {
    Problem::conflict(
        "too_many",
        "You have too many devices",
        format!(
            "You have {MOST_OWN}. Remove one that is no longer in use, or ask whoever runs the box."
        ),
    )
}
