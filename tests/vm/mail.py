"""Mail of two boxes as others see it, with nothing that the boxes are made of.

    mail.py names ADDRESS ZONE...             answers for the names in zone files, until it is stopped
    mail.py send ADDRESS HOST AUTHORITY FROM TO SUBJECT [MIB]   sends a message, and signs in with PASSWORD
    mail.py fetch ADDRESS HOST AUTHORITY NAME SUBJECT       prints a message once it is there
    mail.py fill ADDRESS HOST AUTHORITY NAME MIB            keeps a message that takes so much
    mail.py verify SERVER                     says how the signature of the message on standard input is
    mail.py relay ADDRESS OWN                 tries in many ways to have others' mail brought on
"""

import imaplib
import os
import smtplib
import socket
import ssl
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

# Seconds that one answer may take, and that a message may be on its way; machines are slow.
ANSWER = 120
PATIENCE = 600
LINE = "x" * 70 + "\n"


def names(address, *zones):
    from dnslib import QTYPE, RCODE, RR
    from dnslib.server import BaseResolver, DNSServer

    class Zones(BaseResolver):
        def __init__(self):
            texts = (open(zone, encoding="ascii").read() for zone in zones)
            self.records = [record for text in texts for record in RR.fromZone(text)]

        def resolve(self, request, _):
            reply = request.reply()
            name = request.q.qname
            here = [record for record in self.records if record.rname == name]
            for record in here:
                if QTYPE[record.rtype] in (QTYPE[request.q.qtype], "CNAME"):
                    reply.add_answer(record)
            if not here:
                reply.header.rcode = RCODE.NXDOMAIN
            return reply

    for tcp in (False, True):
        server = DNSServer(Zones(), address=address, port=53, tcp=tcp)
        server.start_thread()
    print("ready", flush=True)
    # Nobody reads on, and the server tells of each question.
    sys.stdout = open(os.devnull, "w")
    while True:
        time.sleep(60)


def tls(authority):
    return ssl.create_default_context(cafile=authority)


def send(address, host, authority, sender, receiver, subject, mib="0"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, receiver, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.partition("@")[2])
    message.set_content("Hello from here.\n" + LINE * (int(mib) * 1024 * 1024 // len(LINE)))
    client = smtplib.SMTP_SSL(timeout=ANSWER, context=tls(authority))
    # What the certificate is for; the connection goes to the address.
    client._host = host
    client.connect(address, 465)
    client.login(sender.partition("@")[0], os.environ["PASSWORD"])
    assert client.send_message(message) == {}
    client.quit()


class Imap(imaplib.IMAP4_SSL):
    """IMAP at an address, with the certificate of a host."""

    def __init__(self, address, host, authority):
        self.address, self.authority = address, authority
        super().__init__(host, 993, ssl_context=tls(authority), timeout=ANSWER)

    def _create_socket(self, timeout):
        plain = socket.create_connection((self.address, 993), timeout)
        return tls(self.authority).wrap_socket(plain, server_hostname=self.host)


def fetch(address, host, authority, name, subject):
    client = Imap(address, host, authority)
    client.login(name, os.environ["PASSWORD"])
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for folder in ("INBOX", "Junk", "Trash"):
            client.select(folder, readonly=True)
            found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            if found:
                print(f"X-Folder: {folder}")
                sys.stdout.flush()
                sys.stdout.buffer.write(client.fetch(found[0], "(BODY.PEEK[])")[1][0][1])
                return
        time.sleep(2)
    raise AssertionError(f"{subject!r} does not come")


def fill(address, host, authority, name, mib):
    client = Imap(address, host, authority)
    client.login(name, os.environ["PASSWORD"])
    text = b"Subject: kept\r\n\r\n" + LINE.replace("\n", "\r\n").encode() * (int(mib) * 1024 * 1024 // len(LINE) - 1)
    status, said = client.append("INBOX", None, None, text[: int(mib) * 1024 * 1024])
    assert status == "OK", said


def verify(server):
    import dkim
    from dnslib import DNSRecord

    def text(name, timeout=ANSWER):
        question = DNSRecord.question(name.decode(), "TXT")
        answer = DNSRecord.parse(question.send(server, 53, timeout=timeout))
        return b"".join(part for record in answer.rr for part in record.rdata.data)

    message = sys.stdin.buffer.read().partition(b"\n")[2]
    signed = dkim.DKIM(message)
    assert signed.verify(dnsfunc=text), "the signature does not hold"
    altered = message.replace(b"Hello from here", b"Hello from there")
    try:
        is_taken = dkim.DKIM(altered).verify(dnsfunc=text)
    except dkim.ValidationError:
        is_taken = False
    assert not is_taken, "an altered message is taken"
    print("signed by", signed.domain.decode())


def relay(address, own):
    other = "somebody@elsewhere.example"
    senders = ["stranger@elsewhere.example", f"anna@{own}", "", f"postmaster@{own}", "root@localhost", "a@[127.0.0.1]"]
    receivers = [
        other,
        f'"{other}"',
        f"{other}@{own}",
        f"{other.replace('@', '%')}@{own}",
        f'"{other}"@{own}',
        f"@{own}:{other}",
        f"elsewhere.example!somebody@{own}",
        f"{other.replace('@', '%')}@[{address}]",
        "somebody@[127.0.0.1]",
    ]
    for sender in senders:
        for receiver in receivers:
            client = smtplib.SMTP(address, 25, local_hostname="stranger.elsewhere.example", timeout=ANSWER)
            code = client.docmd(f"MAIL FROM:<{sender}>")[0]
            if code == 250:
                code = client.docmd(f"RCPT TO:<{receiver}>")[0]
            assert 400 <= code < 600, f"{sender} to {receiver}: {code}"
            client.close()
    print("refused", len(senders) * len(receivers))


if __name__ == "__main__":
    stories = {"names": names, "send": send, "fetch": fetch, "fill": fill, "verify": verify, "relay": relay}
    stories[sys.argv[1]](*sys.argv[2:])
