"""Mail as other servers bring it, and as who is up to no good does, with nothing but Python's own library.

    mail_sender.py ADDRESS HOST AUTHORITY STORY

ADDRESS is where the box is, and HOST what its certificate has to say. The environment has PASSWORDS, as for mail_client.py.
A story ends with status 0 when everything in it was as it should be.
"""

import base64
import json
import os
import smtplib
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

ADDRESS, HOST, AUTHORITY = sys.argv[1:4]
DOMAIN = HOST.partition(".")[2]
PASSWORDS = json.loads(os.environ["PASSWORDS"])
TLS = ssl.create_default_context(cafile=AUTHORITY)
ELSEWHERE = "www.example.net"
SOMEBODY = f"somebody@{ELSEWHERE}"
ANNA, BEN = f"anna@{DOMAIN}", f"ben@{DOMAIN}"
# Seconds that one answer may take; machines are slow.
PATIENCE = 120
# What the box takes: `message_size_limit`.
LARGEST = 50 * 1024 * 1024


def server(port=25):
    client = smtplib.SMTP(timeout=PATIENCE)
    code, said = client.connect(ADDRESS, port)
    assert code == 220 and HOST.encode() in said, (code, said)
    client.ehlo(ELSEWHERE)
    return client


def message(subject, text="Hello.\r\n"):
    head = f"From: <{SOMEBODY}>\r\nTo: <{ANNA}>\r\nSubject: {subject}\r\nDate: Fri, 27 Nov 2026 12:00:00 +0000\r\n"
    return f"{head}Message-ID: <{subject.replace(' ', '.')}@{ELSEWHERE}>\r\n\r\n{text}"


def is_refusal(code):
    return 500 <= code < 600


def brings(client, text):
    """Brings a message for Anna; how that was answered."""
    for answer in (client.mail(SOMEBODY), client.rcpt(ANNA)):
        assert answer[0] == 250, answer
    return client.data(text)


def plain():
    """A server that brings mail: nobody signs in, and TLS is there."""
    client = server()
    assert client.has_extn("starttls") and client.has_extn("size"), client.esmtp_features
    assert not client.has_extn("auth") and not client.has_extn("chunking"), client.esmtp_features
    assert client.esmtp_features["size"] == str(LARGEST), client.esmtp_features
    assert brings(client, message("without TLS"))[0] == 250
    client._host = HOST
    client.starttls(context=TLS)
    client.ehlo(ELSEWHERE)
    assert not client.has_extn("auth"), client.esmtp_features
    secret = base64.b64encode(f"\0anna\0{PASSWORDS['anna']}".encode()).decode()
    code, said = client.docmd(f"AUTH PLAIN {secret}")
    assert is_refusal(code), (code, said)
    assert brings(client, message("with TLS"))[0] == 250
    # Reports that something did not arrive have no sender.
    assert client.docmd("MAIL FROM:<>")[0] == 250 and client.rcpt(ANNA)[0] == 250
    assert client.data(message("report"))[0] == 250
    # Nobody else sends for this domain.
    for sender in [ANNA, BEN.upper(), f"nobody@{DOMAIN}"]:
        client.mail(sender)
        code, said = client.rcpt(ANNA)
        assert is_refusal(code) and b"begins here" in said, (sender, code, said)
        client.rset()
    # RFC 5321, section 4.5.1.
    client.mail(SOMEBODY)
    assert client.docmd("RCPT TO:<postmaster>")[0] == 250
    client.rset()
    for nobody in [f"nobody@{DOMAIN}", f"anna.ben@{DOMAIN}"]:
        client.mail(SOMEBODY)
        assert client.rcpt(nobody)[0] == 550
        client.rset()
    for command in ["VRFY anna", "EXPN anna", "TURN", "DEBUG"]:
        code, said = client.docmd(command)
        assert is_refusal(code), (command, code, said)


def relay():
    """It brings mail of strangers to nobody but people here, however that is written."""
    receivers = [
        f"victim@{ELSEWHERE}",
        f"victim%{ELSEWHERE}@{DOMAIN}",
        f"victim%{ELSEWHERE}",
        f'"victim@{ELSEWHERE}"@{DOMAIN}',
        f'"victim%{ELSEWHERE}"@{DOMAIN}',
        f'"victim@{ELSEWHERE}"',
        f"@{DOMAIN}:victim@{ELSEWHERE}",
        f"@{DOMAIN},@{ELSEWHERE}:victim@{ELSEWHERE}",
        f"victim@{ELSEWHERE}@{DOMAIN}",
        f"victim@{DOMAIN}@{ELSEWHERE}",
        f"{ELSEWHERE}!victim",
        f"{ELSEWHERE}!victim@{DOMAIN}",
        f"{ELSEWHERE}!victim@{HOST}",
        "victim@[192.0.2.10]",
        f"victim@[{ADDRESS}]",
        "victim@[127.0.0.1]",
        f"victim@{HOST}",
        "victim@localhost",
        f"postmaster@{ELSEWHERE}",
        f"anna+victim={ELSEWHERE}@{ELSEWHERE}",
    ]
    senders = [SOMEBODY, "", ANNA, f"postmaster@{DOMAIN}", f"anna@[{ADDRESS}]", f"victim@{ELSEWHERE}"]

    def from_sender(sender):
        # It waits before it answers who makes many mistakes.
        for at in range(0, len(receivers), 8):
            client = server()
            code, said = client.docmd(f"MAIL FROM:<{sender}>")
            assert code == 250, (sender, code, said)
            for receiver in receivers[at : at + 8]:
                code, said = client.docmd(f"RCPT TO:<{receiver}>")
                assert is_refusal(code), (sender, receiver, code, said)
            client.close()

    with ThreadPoolExecutor() as pool:
        list(pool.map(from_sender, senders))


def smuggle():
    """No wrong end of a message makes two of it."""
    ends = ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r\n\0.\r\n", "\r\n.\0\r\n"]
    for number, end in enumerate(ends):
        client = server()
        client.mail(SOMEBODY)
        client.rcpt(ANNA)
        assert client.docmd("DATA")[0] == 354
        inner = f"MAIL FROM:<{ANNA}>\r\nRCPT TO:<{BEN}>\r\nDATA\r\n" + message("smuggled")
        client.sock.sendall((message(f"outer {number}") + end + inner + "\r\n.\r\nQUIT\r\n").encode())
        answers = client.file.read().decode().splitlines()
        codes = [line[:3] for line in answers]
        # Those who do not wait for an answer may be cut off.
        assert codes in (["250", "221"], ["250"]) or all(code[0] == "5" for code in codes), (end, answers)


def hostile():
    """Whatever comes in, it is answered, and the next one is served."""
    client = server()
    code, said = client.docmd(f"MAIL FROM:<{SOMEBODY}> SIZE={LARGEST + 1}")
    assert code == 552, (code, said)
    client.rset()
    # It did not say so before.
    code, said = brings(client, message("larger than large", "x" * 998 + "\r\n").encode() + (b"x" * 998 + b"\r\n") * 52_500)
    assert code == 552 or b"5.3.4" in said, (code, said)

    lines = [
        b"MAIL FROM:<" + b"a" * 5_000 + b">",
        b"RCPT TO:<" + b"a" * 5_000 + b"@" + DOMAIN.encode() + b">",
        b"NOOP " + b"x" * 5_000,
        b"\0" * 100,
        b"MAIL FROM:<a\0b@" + ELSEWHERE.encode() + b">",
        b"EHLO " + b"x" * 5_000,
        bytes(range(128, 256)),
        b"MAIL FROM:<\xff\xfe@" + ELSEWHERE.encode() + b">",
        b"BDAT 1000000 LAST",
    ]
    for line in lines:
        client = server()
        client.sock.sendall(line + b"\r\n")
        code, said = client.getreply()
        assert 200 <= code < 600, (line[:40], code, said)
        client.close()
    for line in [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"MAIL FROM:<a@b.c>\r\n" * 50]:
        with socket.create_connection((ADDRESS, 25), PATIENCE) as stream:
            stream.sendall(line)
            assert stream.recv(4096)
    texts = {
        "no end of its parts": 'Content-Type: multipart/mixed; boundary="a"\r\n\r\n--a\r\n\r\nx\r\n',
        "parts in parts": "".join(
            f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(200)
        ),
        "many lines above": "".join(f"X-{n}: {'y' * 60}\r\n" for n in range(2_000)) + "\r\nx\r\n",
        "a long line": "X: " + "z" * 200_000 + "\r\n\r\n" + "z" * 200_000 + "\r\n",
        "no charset": "Content-Type: text/plain; charset=nothing\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%%\r\n",
        "zeros": "\r\nx\0y\r\n",
    }
    client = server()
    for subject, text in texts.items():
        head = message(subject).partition("\r\n\r\n")[0]
        code, said = brings(client, f"{head}\r\n{text}")
        assert code == 250 or is_refusal(code), (subject, code, said)
    code, said = brings(client, "no header at all\r\n")
    assert code == 250 or is_refusal(code), (code, said)
    assert brings(client, message("after all that"))[0] == 250


def imap(password):
    """How signing in as Ben is answered."""
    plain = socket.create_connection((ADDRESS, 993), PATIENCE)
    with TLS.wrap_socket(plain, server_hostname=HOST) as stream:
        file = stream.makefile("rb")
        file.readline()
        stream.sendall(f'a LOGIN ben "{password}"\r\n'.encode())
        while not (line := file.readline()).startswith(b"a "):
            assert line, "it is gone"
        return line.decode()


def guess():
    """Who guesses waits, although the password is right then; and the ports of people are for them alone."""
    client = server(587)
    assert not client.has_extn("auth"), client.esmtp_features
    assert is_refusal(client.docmd("AUTH PLAIN", "AGJlbgBiZW4=")[0])
    assert is_refusal(client.mail(SOMEBODY)[0])
    assert imap(PASSWORDS["ben"]).startswith("a OK")
    with ThreadPoolExecutor() as pool:
        for answer in pool.map(imap, [f"guess {number}" for number in range(6)]):
            assert answer.startswith("a NO"), answer
    answer = imap(PASSWORDS["ben"])
    assert answer.startswith("a NO"), answer
    client = smtplib.SMTP_SSL(timeout=PATIENCE, context=TLS)
    # What the certificate is for; the connection goes to the address.
    client._host = HOST
    client.connect(ADDRESS, 465)
    client.ehlo(ELSEWHERE)
    secret = base64.b64encode(f"\0ben\0{PASSWORDS['ben']}".encode()).decode()
    code, said = client.docmd(f"AUTH PLAIN {secret}")
    assert code in (454, 535), (code, said)


STORIES = [plain, relay, smuggle, hostile, guess]
{story.__name__: story for story in STORIES}[sys.argv[4]]()
