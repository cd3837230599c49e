"""What one would write first: paho and psycopg, rows in groups of 500, acknowledged after the commit
where paho lets us (from version 1.7 on), which costs it little.

Stores what ingest stores in steady state: the evidence, and the device's last state.
"""

import json
import sys
import threading
import time

import paho.mqtt.client as mqtt
import psycopg

host, port, prefix, database, wanted = sys.argv[1:6]
wanted = int(wanted)

connection = psycopg.connect(database)
with connection.cursor() as cursor:
    cursor.execute(
        "create table if not exists rival (received_at timestamptz, device text, payload jsonb)"
    )
    cursor.execute(
        "create table if not exists rival_last (device text primary key, heard_at timestamptz)"
    )
connection.commit()

arrived = []
here = threading.Condition()


def on_message(client, _, message):
    with here:
        arrived.append(message)
        here.notify()


def on_subscribe(*_):
    print("ready", flush=True)


# Version 2 of paho asks which callbacks one means. Neither it nor Debian's 1.6 can leave
# acknowledging to us unless asked to; where it cannot be asked, it acknowledges on arrival.
name = f"rival-{prefix}"
arguments = {}
if hasattr(mqtt, "CallbackAPIVersion"):
    arguments = {"callback_api_version": mqtt.CallbackAPIVersion.VERSION1, "manual_ack": True}
client = mqtt.Client(client_id=name, **arguments)
can_ack = bool(arguments)
client.max_inflight_messages_set(65535)
client.on_message = on_message
client.on_subscribe = on_subscribe
client.connect(host, int(port))
client.subscribe(f"{prefix}/+/heartbeat", qos=1)
client.loop_start()

done = 0
while done < wanted:
    with here:
        # A group of 500, or what has come within 50 ms.
        if len(arrived) < 500:
            here.wait(0.05)
        group, arrived[:500] = arrived[:500], []
    if not group:
        continue
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    rows = []
    for message in group:
        device = message.topic.split("/")[1]
        json.loads(message.payload)
        rows.append((now, device, message.payload.decode()))
    with connection.cursor() as cursor:
        cursor.executemany("insert into rival values (%s, %s, %s)", rows)
        cursor.executemany(
            "insert into rival_last values (%s, %s) on conflict (device) do update"
            " set heard_at = greatest(rival_last.heard_at, excluded.heard_at)",
            [(device, at) for at, device, _ in rows],
        )
    connection.commit()
    if can_ack:
        for message in group:
            client.ack(message.mid, message.qos)
    done += len(group)
print("done", flush=True)
client.disconnect()
