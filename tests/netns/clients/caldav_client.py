"""A calendar's life with python3-caldav: another implementation of CalDAV than what the box runs.

    caldav_client.py ADDRESS USERNAME AUTHORITY use          makes, finds, changes and removes; says "done"
    caldav_client.py ADDRESS USERNAME AUTHORITY look PATH    reads PATH; says its status, or "refused"

The password is in the environment, as PASSWORD.
"""

import os
import sys
from datetime import datetime

import caldav
from caldav.lib.error import AuthorizationError, NotFoundError

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//x//EN
BEGIN:VEVENT
UID:{uid}
DTSTAMP:20261126T100000Z
DTSTART:{start}
DTEND:{end}
SUMMARY:{summary}
END:VEVENT
END:VCALENDAR
"""


def summaries(calendar, start, end):
    found = calendar.date_search(start=start, end=end, expand=False)
    return sorted(event.vobject_instance.vevent.summary.value for event in found)


def use(client):
    calendar = client.principal().make_calendar(name="Trips", cal_id="trips")
    rome = calendar.save_event(
        EVENT.format(uid="rome", start="20270105T080000Z", end="20270107T080000Z", summary="Rome")
    )
    calendar.save_event(
        EVENT.format(uid="oslo", start="20270305T080000Z", end="20270307T080000Z", summary="Oslo")
    )
    january = datetime(2027, 1, 1), datetime(2027, 2, 1)
    assert summaries(calendar, *january) == ["Rome"]
    assert summaries(calendar, datetime(2027, 1, 6), datetime(2027, 4, 1)) == ["Oslo", "Rome"]
    assert summaries(calendar, datetime(2028, 1, 1), datetime(2028, 2, 1)) == []

    # Two devices change the same event; the second one has not seen the first one's change.
    seen = client.request(str(rome.url)).headers["ETag"]
    first = rome.data.replace("SUMMARY:Rome", "SUMMARY:Rome with Ben")
    changed = client.put(str(rome.url), first, {"If-Match": seen, "Content-Type": "text/calendar"})
    assert changed.status in (200, 201, 204), changed.status
    second = rome.data.replace("SUMMARY:Rome", "SUMMARY:Rome alone")
    stale = client.put(str(rome.url), second, {"If-Match": seen, "Content-Type": "text/calendar"})
    assert stale.status == 412, stale.status
    new = client.put(str(rome.url), second, {"If-None-Match": "*", "Content-Type": "text/calendar"})
    assert new.status == 412, new.status
    assert summaries(calendar, *january) == ["Rome with Ben"]

    rome.load()
    rome.data = rome.data.replace("SUMMARY:Rome with Ben", "SUMMARY:Paris")
    rome.save()
    assert summaries(calendar, *january) == ["Paris"]

    # To another calendar, as people drag it.
    other = client.principal().make_calendar(name="Work", cal_id="work")
    there = str(other.url) + "rome.ics"
    moved = client.request(str(rome.url), "MOVE", headers={"Destination": there})
    assert moved.status in (201, 204), moved.status
    assert summaries(calendar, *january) == []
    assert summaries(other, *january) == ["Paris"]
    back = client.request(there, "MOVE", headers={"Destination": str(rome.url)})
    assert back.status in (201, 204), back.status
    other.delete()

    # What has changed since, and only that: how phones keep up.
    known = calendar.objects_by_sync_token(load_objects=True)
    assert len(list(known)) == 2
    rome.delete()
    since = calendar.objects_by_sync_token(known.sync_token)
    assert [str(one.url).rsplit("/", 1)[1] for one in since] == ["rome.ics"], list(since)
    assert summaries(calendar, *january) == []

    names = {one.name for one in client.principal().calendars()}
    assert {"Trips", "Calendar"} <= names, names
    calendar.delete()
    names = {one.name for one in client.principal().calendars()}
    assert "Trips" not in names, names
    print("done")


def look(client, path):
    try:
        print(client.propfind(client.url.join(path), depth=0).status)
    except (AuthorizationError, NotFoundError):
        print("refused")


def main():
    address, username, authority, what, *rest = sys.argv[1:]
    client = caldav.DAVClient(
        address, username=username, password=os.environ["PASSWORD"], ssl_verify_cert=authority
    )
    {"use": use, "look": look}[what](client, *rest)


main()
