//! Takes each request, decides who answers, and sends the response.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hickory_proto::op::{
    Edns, Header, HeaderCounts, LowerQuery, MessageType, Metadata, OpCode, Query, ResponseCode,
};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_server::net::runtime::Time;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tracing::debug;

use super::cells::{Cell, Neighbour};
use super::response::{self, ExtendedError};
use super::state::{Asker, Current, State};
use crate::forward::cache::{Flags, Remote};
use crate::forward::{ForwardError, Forwarder};
use crate::zone::{Answer, Question, Reply, absent, answer, answer_guest};

/// Questions since the start.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) queries: AtomicU64,
    pub(super) local: AtomicU64,
    pub(super) forwarded: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// The handler behind every socket.
#[derive(Clone)]
pub(super) struct Front {
    pub(super) current: Arc<Current>,
    pub(super) counters: Arc<Counters>,
}

/// What to do with a request, decided without waiting.
enum Decision {
    /// Send this.
    Reply(Reply, Option<ExtendedError>),
    /// Ask others; what is already known stands before what they say.
    Forward(Others, Query, Reply),
}

/// Who is asked.
enum Others {
    /// The owner's servers.
    Upstreams(Arc<Forwarder>),
    /// Another cell, for its own names.
    Cell(Arc<Cell>),
}

impl Others {
    async fn resolve(&self, query: &Query, flags: Flags) -> Result<Remote, ForwardError> {
        match self {
            Self::Upstreams(forwarder) => forwarder.resolve(query, flags).await,
            Self::Cell(cell) => cell.resolve(query, flags).await,
        }
    }
}

impl Decision {
    fn code(code: ResponseCode) -> Self {
        Self::Reply(Reply::code(code), None)
    }
}

#[async_trait]
impl RequestHandler for Front {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        handle: R,
    ) -> ResponseInfo {
        self.counters.queries.fetch_add(1, Ordering::Relaxed);
        // The state is let go before anything is waited for, so that patches find it unshared.
        let decision = decide(&self.current.load(), request);
        let (reply, error) = match decision {
            Decision::Reply(reply, error) => {
                let counter = if reply.code == ResponseCode::Refused {
                    &self.counters.refused
                } else {
                    &self.counters.local
                };
                counter.fetch_add(1, Ordering::Relaxed);
                (reply, error)
            }
            Decision::Forward(others, query, known) => {
                self.counters.forwarded.fetch_add(1, Ordering::Relaxed);
                forward(&others, request, query, known).await
            }
        };
        send(request, reply, error.as_ref(), handle).await
    }
}

/// Decides from the state alone.
fn decide(state: &State, request: &Request) -> Decision {
    let source = request.src().ip().to_canonical();
    let asker = state.asker(source);
    if asker == Asker::Stranger {
        let error = ExtendedError {
            code: ExtendedError::PROHIBITED,
            text: String::new(),
        };
        return Decision::Reply(Reply::code(ResponseCode::Refused), Some(error));
    }
    match request.metadata.op_code {
        OpCode::Query => {}
        _ => return Decision::code(ResponseCode::NotImp),
    }
    if request.version() > 0 {
        return Decision::code(ResponseCode::BADVERS);
    }
    let [query] = request.queries.queries() else {
        // RFC 9619: exactly one question.
        return Decision::code(ResponseCode::FormErr);
    };
    if query.query_class() != DNSClass::IN {
        return Decision::code(ResponseCode::Refused);
    }
    match query.query_type() {
        RecordType::AXFR | RecordType::IXFR => return Decision::code(ResponseCode::Refused),
        RecordType::OPT | RecordType::ZERO => return Decision::code(ResponseCode::FormErr),
        // TKEY, MAILB, MAILA: about the transaction or obsolete (RFC 6895 section 3.1).
        RecordType::TSIG | RecordType::Unknown(249 | 253 | 254) => {
            return Decision::code(ResponseCode::NotImp);
        }
        _ => {}
    }
    match asker {
        Asker::Guest => Decision::Reply(answer_guest(state.zone.as_ref(), question(query)), None),
        Asker::Own | Asker::Stranger => {
            answer_query(state, query, source, request.metadata.recursion_desired)
        }
    }
}

fn question(query: &LowerQuery) -> Question<'_> {
    Question {
        name: query.name(),
        asked: query.original().name(),
        record_type: query.query_type(),
    }
}

fn answer_query(
    state: &State,
    query: &LowerQuery,
    source: IpAddr,
    recursion_desired: bool,
) -> Decision {
    let question = question(query);
    let elsewhere = |others| match question.record_type {
        // What others asked before is nobody's business: no answers from the cache alone.
        _ if !recursion_desired => Decision::code(ResponseCode::Refused),
        // RFC 8482: answers to ANY serve amplification more than anybody's need.
        RecordType::ANY => Decision::code(ResponseCode::NotImp),
        _ => Decision::Forward(others, query.original().clone(), Reply::default()),
    };
    match state.neighbour(question.name) {
        Some(Neighbour::Asked(cell)) => return elsewhere(Others::Cell(cell)),
        Some(Neighbour::Withheld(labels)) => {
            return Decision::Reply(absent(labels, question), None);
        }
        None => {}
    }
    match answer(state.zone.as_ref(), question, source) {
        Answer::Here(mut reply) => match reply.follow.take() {
            Some(target) if recursion_desired => follow(
                state,
                Query::query(target, question.record_type),
                source,
                reply,
            ),
            _ => Decision::Reply(reply, None),
        },
        Answer::Elsewhere => elsewhere(Others::Upstreams(Arc::clone(state.forwarder(source)))),
    }
}

/// Goes on where an alias leads out of the zone.
fn follow(state: &State, query: Query, source: IpAddr, mut reply: Reply) -> Decision {
    let others = match state.neighbour(&query.name().to_lowercase()) {
        Some(Neighbour::Asked(cell)) => Others::Cell(cell),
        Some(Neighbour::Withheld(_)) => {
            reply.code = ResponseCode::NXDomain;
            return Decision::Reply(reply, None);
        }
        None => Others::Upstreams(Arc::clone(state.forwarder(source))),
    };
    Decision::Forward(others, query, reply)
}

async fn forward(
    others: &Others,
    request: &Request,
    query: Query,
    mut known: Reply,
) -> (Reply, Option<ExtendedError>) {
    let flags = Flags {
        dnssec_ok: request
            .edns
            .as_ref()
            .is_some_and(|edns| edns.flags().dnssec_ok),
        checking_disabled: request.metadata.checking_disabled,
    };
    match others.resolve(&query, flags).await {
        Ok(remote) => {
            add(&mut known, remote, &query);
            (known, None)
        }
        Err(error) => {
            let code = match error {
                ForwardError::Busy => ExtendedError::OTHER,
                ForwardError::NoUpstream | ForwardError::Unreachable | ForwardError::Failed => {
                    ExtendedError::UNREACHABLE
                }
                ForwardError::Foreign => ExtendedError::INVALID,
            };
            let error = ExtendedError {
                code,
                text: error.to_string(),
            };
            (Reply::code(ResponseCode::ServFail), Some(error))
        }
    }
}

/// Puts what others said behind what was known, names written as this client wrote them.
fn add(reply: &mut Reply, remote: Remote, query: &Query) {
    reply.code = remote.code;
    reply
        .answers
        .extend(remote.answers.into_iter().map(|mut record| {
            if record.name == *query.name() {
                record.name = query.name().clone();
            }
            record
        }));
    reply.authorities.extend(remote.authorities);
}

async fn send<R: ResponseHandler>(
    request: &Request,
    mut reply: Reply,
    error: Option<&ExtendedError>,
    mut handle: R,
) -> ResponseInfo {
    let edns: Option<Edns> = response::edns(request.edns.as_ref(), error);
    let mut metadata = response::metadata(&request.metadata, &reply);
    if request.protocol() == Protocol::Udp {
        let question = request.queries.queries().first();
        let name = question.map(|query| query.original().name());
        metadata.truncation = response::truncate(&mut reply, name, edns.as_ref());
    }
    let mut builder = MessageResponseBuilder::from_message_request(request);
    if let Some(edns) = &edns {
        builder.edns(edns);
    }
    let response = builder.build(
        metadata,
        &reply.answers,
        &reply.authorities,
        &[],
        &reply.additionals,
    );
    match handle.send_response(response).await {
        Ok(info) => info,
        Err(error) => {
            // The client is gone; there is nobody to tell.
            debug!(%error, "response not sent");
            failed(&request.metadata)
        }
    }
}

/// hickory wants to know what was sent, also when nothing was.
fn failed(request: &Metadata) -> ResponseInfo {
    let mut metadata = Metadata::new(request.id, MessageType::Response, request.op_code);
    metadata.response_code = ResponseCode::ServFail;
    ResponseInfo::from(Header {
        metadata,
        counts: HeaderCounts::default(),
    })
}
