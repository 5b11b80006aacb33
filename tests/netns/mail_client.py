"""Mail as programs of people do it, with nothing but Python's own library: IMAP, submission and ManageSieve.

    mail_client.py ADDRESS HOST AUTHORITY STORY [WORD...]

ADDRESS is where the box is, and HOST what its certificate has to say. The environment has PASSWORDS, a JSON object: the
app password of each account, and besides, as `account` and `other`, the password that `anna` signs in to the box with, and
an app password of hers for another service. A story ends with status 0 when everything in it was as it should be.
"""

import base64
import imaplib
import json
import os
import smtplib
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

ADDRESS, HOST, AUTHORITY = sys.argv[1:4]
DOMAIN = HOST.partition(".")[2]
PASSWORDS = json.loads(os.environ["PASSWORDS"])
TLS = ssl.create_default_context(cafile=AUTHORITY)
# Seconds that one answer may take, and that a message may be on its way.
PATIENCE = 30


class Imap(imaplib.IMAP4_SSL):
    """IMAP with TLS from the first byte on."""

    def __init__(self):
        super().__init__(HOST, 993, ssl_context=TLS, timeout=PATIENCE)

    def _create_socket(self, timeout):
        plain = socket.create_connection((ADDRESS, 993), timeout)
        return TLS.wrap_socket(plain, server_hostname=HOST)


def imap(name, password=None):
    """Signs in; `name` may be a whole address."""
    client = Imap()
    client.login(name, password or PASSWORDS[name.partition("@")[0].lower()])
    return client


def submission(port=465):
    """A connection for sending, with TLS, and nobody signed in."""
    if port == 465:
        client = smtplib.SMTP_SSL(timeout=PATIENCE, context=TLS)
        # What the certificate is for; the connection goes to the address.
        client._host = HOST
        code, _ = client.connect(ADDRESS, port)
        client._host = HOST
    else:
        client = smtplib.SMTP(timeout=PATIENCE)
        code, _ = client.connect(ADDRESS, port)
        client._host = HOST
        client.ehlo("laptop.example.net")
        assert not client.has_extn("auth"), client.esmtp_features
        client.starttls(context=TLS)
    assert code == 220, code
    client.ehlo("laptop.example.net")
    return client


def signed_in(name, port=465):
    client = submission(port)
    client.login(name, PASSWORDS[name.partition("@")[0]])
    return client


def message(subject, sender, receiver, text="Hello.\n"):
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, receiver, subject
    made["Date"], made["Message-ID"] = formatdate(), make_msgid(domain=DOMAIN)
    made["User-Agent"] = "a program that tells who made it"
    made.set_content(text)
    return made


def own(name):
    return f"{name}@{DOMAIN}"


def send(sender, receiver, subject, port=465, text="Hello.\n"):
    client = signed_in(sender, port)
    refused = client.send_message(message(subject, own(sender), receiver, text), own(sender), [receiver])
    assert refused == {}, refused
    client.quit()


def subjects(client, folder="INBOX"):
    """What is in a folder: subject and number of each message."""
    status, _ = client.select(f'"{folder}"', readonly=True)
    if status != "OK":
        return {}
    found = {}
    for number in client.search(None, "ALL")[1][0].split():
        head = client.fetch(number, "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1]
        found[head.decode().partition(":")[2].strip()] = number
    return found


def arrived(client, subject, folder="INBOX"):
    """Waits for a message: all of it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        number = subjects(client, folder).get(subject)
        if number:
            return client.fetch(number, "(BODY.PEEK[])")[1][0][1].decode()
        time.sleep(0.2)
    raise AssertionError(f"{subject!r} is not in {folder}: {subjects(client, folder)}")


def refused(what, *errors):
    """Does what has to fail; says how it did."""
    try:
        what()
    except errors as error:
        return error
    raise AssertionError("it was let in")


def certificates():
    """Each port shows the certificate of mail, and of nothing else."""
    shown = [Imap().sock, submission(465).sock, submission(587).sock]
    for client in shown:
        names = client.getpeercert()["subjectAltName"]
        assert names == (("DNS", HOST),), names
    plain = ssl.create_default_context()
    error = refused(
        lambda: plain.wrap_socket(socket.create_connection((ADDRESS, 993)), server_hostname=HOST),
        ssl.SSLCertVerificationError,
    )
    assert "self-signed" in str(error) or "issuer" in str(error), error


def sign_in():
    for name in ["anna", own("anna"), own("Anna").upper()]:
        client = imap(name)
        folders = b" ".join(client.list()[1]).decode()
        for word in ["INBOX", "\\Drafts", "\\Sent", "\\Junk", "\\Trash"]:
            assert word in folders, folders
        assert b"STORAGE" in b" ".join(client.getquotaroot("INBOX")[1][1]), "a quota is shown"
        client.logout()
    wrong = [
        ("anna", PASSWORDS["account"]),
        ("anna", PASSWORDS["other"]),
        ("anna", "wrong"),
        ("anna", PASSWORDS["ben"]),
        ("nobody", PASSWORDS["anna"]),
        ("anna@www.example.net", PASSWORDS["anna"]),
    ]
    # At the same time: each is made to wait.
    with ThreadPoolExecutor() as pool:
        for error in pool.map(lambda one: refused(lambda: imap(*one), imaplib.IMAP4.error), wrong):
            assert "AUTHENTICATIONFAILED" in str(error), error


def sending():
    ben = imap("ben")
    for port in (465, 587):
        send("anna", own("ben"), f"sent by {port}", port, text=".\n..\nüöä\n" + "x" * 900 + "\n")
        text = arrived(ben, f"sent by {port}")
        # Where and with what it was written is nobody's business.
        for word in ["User-Agent", "192.168.", "laptop.example.net"]:
            assert word not in text, text
        assert "\r\n.\r\n..\r\n" in text, text
    # Whoever has signed in writes as themselves, and nobody else writes.
    client = signed_in("anna")
    for sender in [own("ben"), "anna@www.example.net", own("nobody")]:
        code, said = client.docmd(f"MAIL FROM:<{sender}>")
        code, said = client.docmd(f"RCPT TO:<{own('ben')}>") if code == 250 else (code, said)
        assert 500 <= code < 600, (sender, code, said)
        client.rset()
    for port in (465, 587):
        client = submission(port)
        client.mail(own("anna"))
        code, said = client.rcpt(own("ben"))
        assert 500 <= code < 600, (port, code, said)
    # The tag is for Ben to read; the box's own names are the owner's.
    send("anna", own("ben+lists"), "with a tag")
    assert f"ben+lists@{DOMAIN}" in arrived(ben, "with a tag")
    send("ben", own("postmaster"), "for who runs the box")
    arrived(imap("anna"), "for who runs the box")
    client = signed_in("ben")
    for nobody in ["nobody", "anna.", "annab", "postmaster2", "anna+", "+anna", "root@x"]:
        client.mail(own("ben"))
        code, said = client.rcpt(own(nobody))
        expected = 250 if nobody == "anna+" else 550
        assert code == expected or expected == 550 and 500 <= code < 600, (nobody, code, said)
        client.rset()


def own_names():
    """Nobody writes under the name of somebody else, wherever in a message that stands."""
    anna, ben = own("anna"), own("ben")
    refused_heads = [
        f"From: {ben}",
        f"From: Ben <{ben}>",
        f'From: "{anna}" <{ben}>',
        f"From: {anna}, {ben}\r\nSender: {anna}",
        f"From: {anna}\r\nFrom: {ben}",
        f"From: {anna}\r\nFrom : {ben}",
        f"From: {anna}\r\nSender: {ben}",
        f"From: {own('nobody')}",
        "From: ben@www.example.net",
        "From: nobody at all",
        "From:",
        "X-From: nothing",
    ]
    heads = [
        f"From: Anna <{anna}>",
        f'From: "Ben" <{anna.upper()}>',
        f"From: {own('Anna+lists')}\r\nSender: {anna}",
    ]
    for port, all_heads in [(465, refused_heads + heads), (587, refused_heads[:1])]:
        client = signed_in("anna", port)
        for number, head in enumerate(all_heads):
            client.mail(own("anna"))
            assert client.rcpt(ben)[0] == 250
            code, said = client.data(f"{head}\r\nTo: {ben}\r\nSubject: name {number}\r\n\r\nHello.\r\n")
            if head in heads:
                assert code == 250, (head, code, said)
            else:
                assert 500 <= code < 600 and b"5.7.1" in said and b"address of yours" in said, (head, code, said)
        # A report has no sender, and could have any name.
        client.docmd("MAIL FROM:<>")
        code, said = client.rcpt(ben)
        assert 500 <= code < 600 and b"address of yours" in said, (code, said)


def forwarded():
    """What a message brings along stays as it is."""
    inner = message("inside", "friend@www.example.net", own("anna"))
    outer = message("with another inside", own("anna"), own("ben"))
    outer.add_attachment(inner)
    client = signed_in("anna")
    client.send_message(outer, own("anna"), [own("ben")])
    text = arrived(imap("ben"), "with another inside")
    head, _, rest = text.partition("\r\n\r\n")
    assert "User-Agent" not in head and "User-Agent" in rest, text


class ManageSieve:
    """RFC 5804, as far as rules are put by it."""

    def __init__(self, name):
        self.stream = socket.create_connection((ADDRESS, 4190), PATIENCE)
        self.file = self.stream.makefile("rb")
        greeting = self.answer()
        assert '"SASL" ""' in greeting, f"no password without TLS: {greeting}"
        self.ask("STARTTLS")
        self.stream = TLS.wrap_socket(self.stream, server_hostname=HOST)
        self.file = self.stream.makefile("rb")
        self.answer()
        secret = base64.b64encode(f"\0{name}\0{PASSWORDS[name]}".encode()).decode()
        self.ask(f'AUTHENTICATE "PLAIN" "{secret}"')

    def answer(self):
        lines = []
        while True:
            line = self.file.readline().decode()
            lines.append(line)
            if not line or line.startswith(("OK", "NO", "BYE")):
                return "".join(lines)

    def ask(self, line, well=True):
        self.stream.sendall(line.encode() + b"\r\n")
        answer = self.answer()
        last = answer.splitlines()[-1]
        assert last.startswith("OK") == well, (line, answer)
        return answer

    def put(self, name, script, well=True):
        octets = len(script.encode())
        return self.ask(f'PUTSCRIPT "{name}" {{{octets}+}}\r\n{script}', well)


def rules():
    client = ManageSieve("ben")
    client.put("wrong", 'fileinto "nowhere";', well=False)
    client.put("outside", 'require ["vnd.dovecot.execute"]; execute "/bin/sh";', well=False)
    client.put(
        "main",
        'require ["fileinto", "mailbox", "subaddress", "envelope"];\n'
        'if header :contains "subject" "minutes" { fileinto :create "Club"; }\n'
        'elsif envelope :detail "to" "shop" { fileinto :create "Shops"; }\n',
    )
    client.ask('SETACTIVE "main"')
    send("anna", own("ben"), "minutes of today")
    send("anna", own("ben+shop"), "an invoice")
    send("anna", own("ben"), "as usual")
    ben = imap("ben")
    arrived(ben, "minutes of today", "Club")
    arrived(ben, "an invoice", "Shops")
    arrived(ben, "as usual")
    assert not {"minutes of today", "an invoice"} & set(subjects(ben)), subjects(ben)


def rules_that_send():
    """Rules send mail on, and answer it."""
    client = ManageSieve("ben")
    client.put(
        "away",
        'require ["vacation", "copy"];\n'
        f'if header :contains "subject" "pass on" {{ redirect :copy "{own("anna")}"; }}\n'
        'if header :contains "subject" "are you there" { vacation :subject "not before Monday" "I am away."; }\n'
        'if header :contains "subject" "who are you" {'
        f' vacation :subject "under her name" :from "{own("anna")}" "I am Anna."; }}\n',
    )
    client.ask('SETACTIVE "away"')
    anna, ben = imap("anna"), imap("ben")
    send("anna", own("ben"), "pass on this")
    text = arrived(anna, "pass on this")
    # The way within the box, once: the last delivery.
    assert "from dovecot" not in text and text.count("with LMTP") == 1, text
    arrived(ben, "pass on this")
    send("anna", own("ben"), "are you there?")
    text = arrived(anna, "not before Monday")
    assert f"From: <{own('ben')}>" in text and f"Return-Path: <{own('ben')}>" in text, text
    # A rule has no other name than its owner either.
    send("anna", own("ben"), "who are you?")
    send("anna", own("ben"), "pass on the last one")
    arrived(anna, "pass on the last one")
    assert "under her name" not in subjects(anna), subjects(anna)
    client.ask('SETACTIVE ""')


def aliases(*names):
    """Names that lead to Ben, by what was set meanwhile."""
    ben = imap("ben")
    for name in names:
        send("anna", own(name), f"for {name}")
        arrived(ben, f"for {name}")
        # Ben may write as what is his.
        client = signed_in("ben")
        assert client.mail(own(name))[0] == 250
        assert client.rcpt(own("anna"))[0] == 250
        client = signed_in("anna")
        client.mail(own(name))
        code, said = client.rcpt(own("ben"))
        assert code == 553, (code, said)


def has(name, *wanted):
    """Waits until somebody's inbox has all of these."""
    client = imap(name)
    for subject in wanted:
        arrived(client, subject)
    print("\n".join(subjects(client)))


def fill(name, mib):
    """Keeps a message that takes so much."""
    client = imap(name)
    line = b"x" * 998 + b"\r\n"
    text = b"Subject: large\r\n\r\n" + line * (int(mib) * 1024 * 1024 // len(line))
    status, said = client.append("INBOX", None, None, text)
    assert status == "OK", said


def full(name):
    """There is no room for what comes, and whoever writes is told before it is taken; a little more than the limit fits."""
    large = b"Subject: large\r\n\r\n" + (b"x" * 998 + b"\r\n") * 14_000
    status, said = imap(name).append("INBOX", None, None, large)
    assert status == "NO" and b"OVERQUOTA" in said[0], (status, said)
    client = signed_in("anna")
    client.docmd(f"MAIL FROM:<{own('anna')}> SIZE={len(large)}")
    code, said = client.rcpt(own(name))
    assert code == 552 and b"5.2.2" in said, (code, said)
    client.rset()
    # It does not say how large it is.
    client.mail(own("anna"))
    assert client.rcpt(own(name))[0] == 250
    code, said = client.data(large)
    assert code == 552 and b"5.2.2" in said, (code, said)
    # Who has that name elsewhere is somebody else.
    client.docmd(f"MAIL FROM:<{own('anna')}> SIZE={len(large)}")
    code, said = client.rcpt(f"{name}@www.example.net")
    assert code == 250, (code, said)


def idle(name):
    """Waits for mail until the box ends the connection; says `idle` when it begins, and `ended` after."""
    client = imap(name)
    client.select("INBOX")
    client.send(b"x IDLE\r\n")
    assert client.readline().startswith(b"+"), "it idles"
    print("idle", flush=True)
    try:
        while line := client.readline():
            print(line)
    except (OSError, imaplib.IMAP4.abort):
        pass
    print("ended")


def hold(name):
    """Is signed in for sending until the box ends the connection; says `held` when it begins, and `ended` after."""
    clients = [signed_in(name, port) for port in (465, 587)]
    # One has sent something before, one never.
    clients[0].send_message(message("held", own(name), own(name)), own(name), [own(name)])
    print("held", flush=True)
    for client in clients:
        while line := client.file.readline():
            print(line)
    print("ended")


def out(name, *addresses):
    """Somebody is not let in, and none of these addresses takes mail any more."""
    refused(lambda: imap(name), imaplib.IMAP4.error)
    refused(lambda: signed_in(name), smtplib.SMTPAuthenticationError)
    client = signed_in("anna") if name != "anna" else None
    for address in addresses:
        client.mail(own("anna"))
        code, said = client.rcpt(address)
        assert code == 550, (address, code, said)
        client.rset()


def abroad(receiver):
    """Sends to somebody elsewhere."""
    send("anna", receiver, "to far away")


def only_receives(receiver):
    """Nothing leaves the box, and whoever writes is told at once; people here still write to each other."""
    client = signed_in("anna")
    client.mail(own("anna"))
    code, said = client.rcpt(receiver)
    assert 500 <= code < 600 and b"only receives" in said, (code, said)
    assert client.rcpt(own("ben"))[0] == 250


def everyday():
    certificates()
    sign_in()
    sending()
    own_names()
    forwarded()
    rules()
    rules_that_send()


STORIES = [everyday, aliases, has, fill, full, idle, hold, out, abroad, only_receives]
{story.__name__: story for story in STORIES}[sys.argv[4]](*sys.argv[5:])
