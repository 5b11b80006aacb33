//! From a reply to what goes on the wire: header bits, EDNS, truncation.

use hickory_proto::op::{Edns, Metadata, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

use crate::zone::Reply;

/// The largest UDP response (DNS flag day 2020: below every path's MTU, so nothing is fragmented).
pub(super) const MAX_UDP_PAYLOAD: u16 = 1_232;

/// The least a client takes without EDNS (RFC 1035 section 2.3.4).
const MIN_UDP_PAYLOAD: u16 = 512;

/// Bytes of a message header, and of an OPT record without options.
const HEADER_BYTES: usize = 12;
const OPT_BYTES: usize = 11;

/// Bytes of a question beside the labels of its name: root label, type and class.
const QUESTION_BYTES: usize = 5;

/// Why a question was not answered, for people who look into it (RFC 8914).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExtendedError {
    /// INFO-CODE of the registry in RFC 8914 section 5.2.
    pub(super) code: u16,
    /// EXTRA-TEXT.
    pub(super) text: String,
}

impl ExtendedError {
    /// "Other error".
    pub(super) const OTHER: u16 = 0;
    /// "Prohibited": the source may not ask.
    pub(super) const PROHIBITED: u16 = 18;
    /// "No reachable authority".
    pub(super) const UNREACHABLE: u16 = 22;
    /// "Invalid data".
    pub(super) const INVALID: u16 = 24;

    fn option(&self) -> EdnsOption {
        let mut bytes = self.code.to_be_bytes().to_vec();
        bytes.extend(self.text.as_bytes());
        EdnsOption::Unknown(15, bytes)
    }
}

/// EDNS of the response to a request with this one (RFC 6891 section 6.1.1: present in both or in none).
pub(super) fn edns(request: Option<&Edns>, error: Option<&ExtendedError>) -> Option<Edns> {
    let request = request?;
    let mut edns = Edns::new();
    // Also bounds the response itself: hickory encodes UDP responses to this size.
    edns.set_max_payload(
        request
            .max_payload()
            .clamp(MIN_UDP_PAYLOAD, MAX_UDP_PAYLOAD),
    );
    edns.set_dnssec_ok(request.flags().dnssec_ok);
    if let Some(error) = error {
        edns.options_mut().insert(error.option());
    }
    Some(edns)
}

/// Header of the response.
pub(super) fn metadata(request: &Metadata, reply: &Reply) -> Metadata {
    let mut metadata = Metadata::response_from_request(request);
    metadata.response_code = reply.code;
    metadata.authoritative = reply.authoritative && reply.code != ResponseCode::Refused;
    metadata.recursion_available = true;
    metadata
}

/// Drops what does not fit in a UDP response; `true` when it has to be asked for over TCP.
///
/// Records in the additional section go first and without a word (RFC 2181 section 9). Otherwise
/// all go: part of a set is of no use, and the OPT record must fit.
pub(super) fn truncate(reply: &mut Reply, question: Option<&Name>, edns: Option<&Edns>) -> bool {
    let limit = edns.map_or(MIN_UDP_PAYLOAD, Edns::max_payload);
    let options: usize = edns.map_or(0, |edns| {
        let options = edns.options().as_ref().iter();
        OPT_BYTES
            + options
                .map(|(_, o)| usize::from(o.len()) + 4)
                .sum::<usize>()
    });
    let room = usize::from(limit).saturating_sub(HEADER_BYTES + options);
    if fits(reply, question, room) {
        return false;
    }
    reply.additionals.clear();
    if fits(reply, question, room) {
        return false;
    }
    reply.answers.clear();
    reply.authorities.clear();
    true
}

/// Whether question and records take at most `room` bytes.
fn fits(reply: &Reply, question: Option<&Name>, room: usize) -> bool {
    let records = || {
        let authorities = reply.authorities.iter();
        reply
            .answers
            .iter()
            .chain(authorities)
            .chain(&reply.additionals)
    };
    let question_bytes = question.map_or(0, |name| name.len() + QUESTION_BYTES);
    // Names as long as they can get: nearly every response passes here, without encoding it twice.
    let bound: Option<usize> = records().map(uncompressed_bytes).sum();
    if bound.is_some_and(|bytes| question_bytes + bytes <= room) {
        return true;
    }
    let mut bytes = Vec::with_capacity(room);
    let mut encoder = BinEncoder::new(&mut bytes);
    // The question's name comes first on the wire, and later names point at it.
    let emitted = question.is_none_or(|name| name.emit(&mut encoder).is_ok())
        && records().all(|record| record.emit(&mut encoder).is_ok());
    emitted && bytes.len() + 4 <= room
}

/// An upper bound, where it is cheap to know.
fn uncompressed_bytes(record: &Record) -> Option<usize> {
    let data = match &record.data {
        RData::A(_) => 4,
        RData::AAAA(_) => 16,
        RData::CNAME(name) => name.len() + 1,
        RData::PTR(name) => name.len() + 1,
        RData::SOA(soa) => soa.mname.len() + soa.rname.len() + 22,
        _ => return None,
    };
    Some(record.name.len() + 1 + 10 + data)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::rr::rdata::TXT;

    use super::*;

    fn question() -> Name {
        Name::from_ascii("many.home.cell.").unwrap()
    }

    fn reply(addresses: u8) -> Reply {
        let name = question();
        let mut reply = Reply::code(ResponseCode::NoError);
        reply.answers = (0..addresses)
            .map(|i| {
                let data = RData::A(Ipv4Addr::new(10, 0, 0, i).into());
                Record::from_rdata(name.clone(), 60, data)
            })
            .collect();
        reply
    }

    #[test]
    fn small_reply_is_left_whole() {
        let mut reply = reply(3);
        assert!(!truncate(&mut reply, Some(&question()), None));
        assert_eq!(reply.answers.len(), 3);
    }

    #[test]
    fn compression_counts_before_a_set_is_given_up() {
        // 12 for the header, 20 for the question, 30 times 16: 512 to the byte.
        let mut fitting = reply(30);
        assert!(!truncate(&mut fitting, Some(&question()), None));
        let mut large = reply(31);
        assert!(truncate(&mut large, Some(&question()), None));
        assert!(large.answers.is_empty());
    }

    #[test]
    fn additional_records_go_first() {
        let mut reply = reply(20);
        reply.additionals = vec![Record::from_rdata(
            Name::root(),
            60,
            RData::TXT(TXT::new(vec!["x".repeat(250)])),
        )];
        assert!(!truncate(&mut reply, Some(&question()), None));
        assert_eq!((reply.answers.len(), reply.additionals.len()), (20, 0));
    }

    #[test]
    fn response_has_edns_only_when_the_request_had() {
        assert_eq!(edns(None, None), None);
        let mut request = Edns::new();
        request.set_max_payload(4_096);
        request.set_dnssec_ok(true);
        let response = edns(Some(&request), None).unwrap();
        assert_eq!(response.max_payload(), MAX_UDP_PAYLOAD);
        assert!(response.flags().dnssec_ok);
    }
}
