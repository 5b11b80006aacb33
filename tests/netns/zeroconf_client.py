"""Asks for names and services on one wire, and claims a name: another implementation of multicast DNS than ours.

    zeroconf_client.py ADDRESS resolve NAME        the IPv4 addresses of NAME, one a line, sorted
    zeroconf_client.py ADDRESS browse              services of type _https._tcp: instance, host, port, addresses
    zeroconf_client.py ADDRESS hold NAME           answers for NAME with ADDRESS until it is ended
    zeroconf_client.py ADDRESS keep NAME FILE      keeps in FILE what is remembered of NAME, until it is ended

ADDRESS is the caller's own: it says which wire.
"""

import os
import socket
import sys
import time

from zeroconf import (
    DNSOutgoing,
    DNSQuestion,
    IPVersion,
    ServiceBrowser,
    ServiceInfo,
    Zeroconf,
    current_time_millis,
)

QUERY = 0
A = 1
IN = 1
TYPE = "_https._tcp.local."
# How long somebody who answers may take: longer than an answer may wait, and a question be lost once.
PATIENCE = 3


def remembered(zeroconf, name):
    records = zeroconf.cache.get_all_by_details(name, A, IN)
    now = current_time_millis()
    return sorted(socket.inet_ntoa(each.address) for each in records if not each.is_expired(now))


def ask(zeroconf, name):
    question = DNSOutgoing(QUERY)
    question.add_question(DNSQuestion(name, A, IN))
    zeroconf.send(question)


def resolve(zeroconf, name):
    end = time.monotonic() + PATIENCE
    asked = 0
    while time.monotonic() < end and not remembered(zeroconf, name):
        if time.monotonic() - asked > 1:
            ask(zeroconf, name)
            asked = time.monotonic()
        time.sleep(0.02)
    print(*remembered(zeroconf, name), sep="\n")


class Listener:
    def add_service(self, zeroconf, service_type, name):
        info = zeroconf.get_service_info(service_type, name)
        if info:
            print(name, info.server, info.port, *sorted(info.parsed_addresses()), flush=True)

    def update_service(self, *_):
        pass

    def remove_service(self, *_):
        pass


def main():
    address, what, *rest = sys.argv[1:]
    zeroconf = Zeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    if what == "resolve":
        resolve(zeroconf, rest[0] + ".")
    elif what == "browse":
        ServiceBrowser(zeroconf, TYPE, Listener())
        time.sleep(PATIENCE)
    elif what == "hold":
        info = ServiceInfo(
            "_other._tcp.local.",
            "other._other._tcp.local.",
            port=1,
            addresses=[socket.inet_aton(address)],
            server=rest[0] + ".",
        )
        zeroconf.register_service(info)
        print("holds", flush=True)
        time.sleep(600)
    elif what == "keep":
        name, file = rest[0] + ".", rest[1]
        known, asked = False, 0
        while True:
            known = known or bool(remembered(zeroconf, name))
            # What everybody was told a moment ago is not told again at once.
            if not known and time.monotonic() - asked > 1:
                ask(zeroconf, name)
                asked = time.monotonic()
            with open(file + ".new", "w") as new:
                print(*remembered(zeroconf, name), file=new)
            os.rename(file + ".new", file)
            time.sleep(0.05)
    zeroconf.close()


main()
