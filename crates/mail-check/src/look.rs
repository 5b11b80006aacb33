//! The look: everything at once, as a list in the order in which things are best mended.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use cell_model::mail::{MailFinding, MailPurpose, MailRecord};
use cell_model::name::Domain;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::answer::Asker;
use crate::finding::Verdict;
use crate::{Command, Leaves, Report, Scope, blocked, names, outward, record, served};

/// How long a look takes at most.
pub const LONGEST: Duration = Duration::from_secs(35);
/// How long of that name servers are asked.
const NAMES: Duration = Duration::from_secs(20);
const _: () = assert!(NAMES.as_secs() < LONGEST.as_secs());

/// Looks at mail as others see it.
pub async fn look(command: Command) -> Report {
    let start = Instant::now();
    let asker = Arc::new(Asker::new(&command.name_servers, start + NAMES));
    let command = Arc::new(command);
    let everything = command.scope == Scope::Everything;
    let is_asked = |record: &&MailRecord| everything || record.purpose == MailPurpose::Dkim;
    let asked = command.records.iter().filter(is_asked).cloned().collect();
    if !everything {
        return records(&asker, &command, asked).await;
    }
    let (domain, mut report, (host, address)) = tokio::join!(
        names::domain(&asker, &command),
        records(&asker, &command, asked),
        own_address(&asker, &command),
    );
    let deadline = start + LONGEST;
    let leads_here = {
        let mut findings = report.findings.iter();
        findings.any(|finding| finding.id == "host" && served::is_ok(finding))
    };
    let (outward, inward, certificates) = tokio::join!(
        leaving(&asker, &command, address, deadline),
        in_time(
            deadline,
            "port_25_in",
            served::port_25(&command, leads_here)
        ),
        in_time(deadline, "certificate", served::certificates(&command)),
    );
    let findings = [
        vec![domain.about("domain")],
        std::mem::take(&mut report.findings),
        host,
        inward,
        outward,
        certificates,
    ];
    report.findings = findings.into_iter().flatten().collect();
    report
}

/// What public DNS says about the records.
async fn records(asker: &Arc<Asker>, command: &Arc<Command>, asked: Vec<MailRecord>) -> Report {
    let mut looks = JoinSet::new();
    for (place, record) in asked.into_iter().enumerate() {
        let (asker, command) = (Arc::clone(asker), Arc::clone(command));
        looks.spawn(async move {
            let looked = names::look_up(&asker, &record, &command).await;
            (place, record, looked)
        });
    }
    let mut looked = looks.join_all().await;
    looked.sort_by_key(|(place, ..)| *place);
    let mut report = Report::default();
    for (_, record, looked) in looked {
        if record.purpose == MailPurpose::Dkim
            && let Some(selector) = record::selector(&record)
            && let Some(seen) = record::seen(&record, &looked.answer)
        {
            report.keys.insert(selector, seen);
        }
        report
            .findings
            .push(looked.verdict.about(record::id(&record)));
    }
    report
}

/// The address that others see; where nobody has told it, what can be found out about it.
async fn own_address(asker: &Asker, command: &Command) -> (Vec<MailFinding>, Option<Ipv4Addr>) {
    if let Some(address) = command.public_address {
        return (Vec::new(), Some(address));
    }
    let (host, address) = names::host_without_address(asker, command).await;
    let mut findings = vec![host.about("host")];
    if let Some(address) = address {
        let reverse = names::reverse_of(asker, command, address).await;
        findings.push(reverse.about("rdns"));
    }
    (findings, address)
}

/// How mail leaves.
async fn leaving(
    asker: &Arc<Asker>,
    command: &Command,
    address: Option<Ipv4Addr>,
    deadline: Instant,
) -> Vec<MailFinding> {
    match &command.leaves {
        Leaves::ReceiveOnly => Vec::new(),
        Leaves::Relay(provider) => {
            let look = outward::provider(asker, command, provider);
            one_in_time(deadline, "relay", look).await
        }
        Leaves::Direct {
            greeted,
            port,
            block_lists,
        } => {
            let port_25 = outward::port_25(asker, greeted, *port);
            let (mut findings, listed) = tokio::join!(
                one_in_time(deadline, "port_25_out", port_25),
                listed(asker, block_lists, address),
            );
            findings.extend(listed);
            findings
        }
    }
}

/// What block lists say, all asked at once. Name servers have a deadline of their own.
async fn listed(
    asker: &Arc<Asker>,
    lists: &[Domain],
    address: Option<Ipv4Addr>,
) -> Vec<MailFinding> {
    let Some(address) = address else {
        return Vec::new();
    };
    let mut looks = JoinSet::new();
    for (place, list) in lists.iter().cloned().enumerate() {
        let asker = Arc::clone(asker);
        looks.spawn(async move {
            let verdict = blocked::look(&asker, &list, address).await;
            (place, verdict.about(format!("block_list:{list}")))
        });
    }
    let mut found = looks.join_all().await;
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, finding)| finding).collect()
}

async fn one_in_time(
    deadline: Instant,
    id: &str,
    look: impl Future<Output = Verdict>,
) -> Vec<MailFinding> {
    in_time(deadline, id, async { vec![look.await.about(id)] }).await
}

async fn in_time(
    deadline: Instant,
    id: &str,
    look: impl Future<Output = Vec<MailFinding>>,
) -> Vec<MailFinding> {
    timeout_at(deadline, look).await.unwrap_or_else(|_| {
        let verdict = Verdict::unknown("It took too long to find out.", "Check again later.");
        vec![verdict.about(id)]
    })
}
