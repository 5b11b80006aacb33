//! What mail programs and other servers fetch over HTTPS, whole documents.
//!
//! Nothing in them is secret, and none says who has a mailbox here.

use std::fmt::Write as _;

use cell_model::name::{Domain, Username};
use sha2::{Digest, Sha256};

use super::{StsMode, port};

/// The label below the domain where Thunderbird and others look for [`autoconfig`].
pub const AUTOCONFIG: &str = "autoconfig";
/// Its path there.
pub const AUTOCONFIG_PATH: &str = "/mail/config-v1.1.xml";
/// Its path at the domain itself.
pub const AUTOCONFIG_WELL_KNOWN: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";
/// The label below the domain where Outlook looks for [`autodiscover`].
pub const AUTODISCOVER: &str = "autodiscover";
/// Its path there and at the domain itself; upper and lower case are the same.
pub const AUTODISCOVER_PATH: &str = "/autodiscover/autodiscover.xml";
/// The label below the domain where servers look for [`sts_policy`] (RFC 8461 section 3.3).
pub const STS: &str = "mta-sts";
/// Its path there.
pub const STS_PATH: &str = "/.well-known/mta-sts.txt";

/// How long others may remember the policy, in seconds: a week, so that a mistake does not stay for long.
const STS_MAX_AGE: u32 = 604_800;

/// The most bytes of a question of Outlook's that are looked at; real ones have about 400.
pub const MAX_AUTODISCOVER_QUESTION: usize = 16 * 1024;

/// Settings for Thunderbird and programs that read its format (Mozilla, "Autoconfig file format").
pub fn autoconfig(domain: &Domain, host: &Domain) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <clientConfig version=\"1.1\">\n\
        \x20 <emailProvider id=\"{domain}\">\n\
        \x20   <domain>{domain}</domain>\n\
        \x20   <displayName>{domain}</displayName>\n\
        \x20   <displayShortName>{domain}</displayShortName>\n"
    );
    for (element, kind, port, socket) in [
        ("incomingServer", "imap", port::IMAPS, "SSL"),
        ("outgoingServer", "smtp", port::SUBMISSIONS, "SSL"),
        ("outgoingServer", "smtp", port::SUBMISSION, "STARTTLS"),
    ] {
        let _ = write!(
            text,
            "\x20   <{element} type=\"{kind}\">\n\
            \x20     <hostname>{host}</hostname>\n\
            \x20     <port>{port}</port>\n\
            \x20     <socketType>{socket}</socketType>\n\
            \x20     <authentication>password-cleartext</authentication>\n\
            \x20     <username>%EMAILADDRESS%</username>\n\
            \x20   </{element}>\n"
        );
    }
    text.push_str("  </emailProvider>\n</clientConfig>\n");
    text
}

/// Settings for Outlook (MS-OXDSCLI section 2.2.4), for the address it asked for if that is one of ours.
pub fn autodiscover(host: &Domain, address: Option<&str>) -> String {
    let login = address.map_or_else(String::new, |address| {
        format!("        <LoginName>{address}</LoginName>\n")
    });
    let mut text = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
        <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n\
        \x20 <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n\
        \x20   <Account>\n\
        \x20     <AccountType>email</AccountType>\n\
        \x20     <Action>settings</Action>\n"
        .to_owned();
    for (kind, port) in [("IMAP", port::IMAPS), ("SMTP", port::SUBMISSIONS)] {
        let _ = write!(
            text,
            "\x20     <Protocol>\n\
            \x20       <Type>{kind}</Type>\n\
            \x20       <Server>{host}</Server>\n\
            \x20       <Port>{port}</Port>\n\
            \x20       <DomainRequired>off</DomainRequired>\n\
            {login}\
            \x20       <SPA>off</SPA>\n\
            \x20       <SSL>on</SSL>\n\
            \x20       <Encryption>SSL</Encryption>\n\
            \x20       <AuthRequired>on</AuthRequired>\n\
            \x20     </Protocol>\n"
        );
    }
    text.push_str("    </Account>\n  </Response>\n</Autodiscover>\n");
    text
}

/// The address Outlook asks about, if it could be one of ours. What else the question says is of no use: it is not read
/// as XML, so nothing in it can do harm.
pub fn asked_address(domain: &Domain, question: &str) -> Option<String> {
    let question = question
        .get(..MAX_AUTODISCOVER_QUESTION)
        .unwrap_or(question);
    let (_, rest) = question.split_once("<EMailAddress>")?;
    let (address, _) = rest.split_once("</EMailAddress>")?;
    let (local, at) = address.trim().rsplit_once('@')?;
    let local: Username = local.parse().ok()?;
    let of_ours = at.parse::<Domain>().is_ok_and(|at| at == *domain);
    of_ours.then(|| format!("{local}@{domain}"))
}

/// The policy of MTA-STS (RFC 8461 section 3.2).
pub fn sts_policy(mode: StsMode, host: &Domain) -> String {
    let mode = mode.word();
    format!("version: STSv1\r\nmode: {mode}\r\nmx: {host}\r\nmax_age: {STS_MAX_AGE}\r\n")
}

/// What the record says so that others notice another policy (RFC 8461 section 3.1): at most 32 letters and digits.
pub fn sts_id(policy: &str) -> String {
    let digest = Sha256::digest(policy);
    digest[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        text.parse().unwrap()
    }

    #[test]
    fn thunderbird_is_told_both_ways_to_send() {
        let text = autoconfig(&domain("example.org"), &domain("mail.example.org"));
        let incoming = "    <incomingServer type=\"imap\">\n      <hostname>mail.example.org</hostname>\n      \
            <port>993</port>\n      <socketType>SSL</socketType>\n      \
            <authentication>password-cleartext</authentication>\n      \
            <username>%EMAILADDRESS%</username>\n    </incomingServer>\n";
        assert!(text.contains(incoming), "{text}");
        assert_eq!(text.matches("<outgoingServer type=\"smtp\">").count(), 2);
        assert!(text.contains("<port>587</port>\n      <socketType>STARTTLS</socketType>"));
        assert!(text.ends_with("  </emailProvider>\n</clientConfig>\n"));
        assert!(!text.contains("plain"));
    }

    #[test]
    fn outlook_is_told_the_servers_and_its_own_address() {
        let host = domain("mail.example.org");
        let text = autodiscover(&host, Some("anna@example.org"));
        let smtp = "      <Protocol>\n        <Type>SMTP</Type>\n        <Server>mail.example.org</Server>\n        \
            <Port>465</Port>\n        <DomainRequired>off</DomainRequired>\n        \
            <LoginName>anna@example.org</LoginName>\n        <SPA>off</SPA>\n        <SSL>on</SSL>\n";
        assert!(text.contains(smtp), "{text}");
        assert!(!autodiscover(&host, None).contains("LoginName"));
    }

    #[test]
    fn outlooks_question_is_read_for_an_address_of_ours_only() {
        let ours = domain("example.org");
        let asked = |address: &str| {
            let question = format!(
                "<?xml version=\"1.0\"?><Autodiscover><Request><EMailAddress>{address}</EMailAddress></Request>"
            );
            asked_address(&ours, &question)
        };
        assert_eq!(asked(" Anna@Example.ORG ").unwrap(), "anna@example.org");
        for other in [
            "anna@example.com",
            "anna",
            "@example.org",
            "<b>@example.org",
            "a&amp;b@example.org",
            "anna@example.org</EMailAddress><EMailAddress>x",
        ] {
            let found = asked(other);
            assert!(
                found.is_none() || other.starts_with("anna@example.org<"),
                "{other}"
            );
        }
        assert_eq!(asked_address(&ours, "GET"), None);
        let late = format!(
            "{}<EMailAddress>a@example.org</EMailAddress>",
            " ".repeat(20_000)
        );
        assert_eq!(asked_address(&ours, &late), None);
    }

    #[test]
    fn policy_has_lines_of_its_own_and_another_id_when_it_changes() {
        let host = domain("mail.example.org");
        let testing = sts_policy(StsMode::Testing, &host);
        assert_eq!(
            testing,
            "version: STSv1\r\nmode: testing\r\nmx: mail.example.org\r\nmax_age: 604800\r\n"
        );
        let id = sts_id(&testing);
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(id, sts_id(&sts_policy(StsMode::Enforce, &host)));
    }
}
