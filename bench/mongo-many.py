"""Many clients of a driver at once, each with its own pool and monitors.

    mongo-many.py URL CLIENTS CALLS METRICS_URL

Each client inserts documents of its own and finds them again, in turn with all the others; a document of
another client ends the run with an error, as does any error of a call. Prints a line: clients, requests,
requests/s, and the most server connections that the proxy has had meanwhile. All clients stay open to the
end. Logins are not in the rate.
"""

import asyncio
import re
import sys
import time
import urllib.request

import pymongo

# Logins at once: each is some milliseconds of proving a password, here and in no other program.
LOGINS_MAX = 16
SAMPLE_SECONDS = 0.05


def server_connections(metrics):
    """How many server connections the proxy has now."""
    with urllib.request.urlopen(metrics) as page:
        found = re.search(r"^tenantsdb_server_connections (\d+)$", page.read().decode(), re.MULTILINE)
    return int(found.group(1))


async def watch(metrics, seen):
    """Notes how many server connections there are, from time to time."""
    while True:
        seen.append(await asyncio.to_thread(server_connections, metrics))
        await asyncio.sleep(SAMPLE_SECONDS)


async def log_in(client, name, places):
    """Makes the client's first connection."""
    async with places:
        await client.get_default_database()[name].find_one()


async def work(client, name, calls):
    """Documents of this client, there and back."""
    collection = client.get_default_database()[name]
    for n in range(calls):
        await collection.insert_one({"_id": n, "of": name})
        found = await collection.find_one({"_id": n})
        if found != {"_id": n, "of": name}:
            raise SystemExit(f"{name} found {found}")


async def main():
    """The run."""
    url, clients, calls, metrics = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    # One request at a time each: so one connection, beside those of the monitors.
    options = {"maxPoolSize": 1, "serverSelectionTimeoutMS": 60000}
    drivers = [pymongo.AsyncMongoClient(url, **options) for _ in range(clients)]
    names = [f"c{n}" for n in range(clients)]
    places = asyncio.Semaphore(LOGINS_MAX)
    await asyncio.gather(*(log_in(driver, name, places) for driver, name in zip(drivers, names)))
    seen = []
    watcher = asyncio.create_task(watch(metrics, seen))
    began = time.perf_counter()
    await asyncio.gather(*(work(driver, name, calls) for driver, name in zip(drivers, names)))
    seconds = time.perf_counter() - began
    watcher.cancel()
    requests = clients * calls * 2
    print(
        f"{clients} driver clients (pymongo), {requests} requests, {requests / seconds:.0f} requests/s, "
        f"at most {max(seen)} server connections"
    )
    await asyncio.gather(*(driver.close() for driver in drivers))


asyncio.run(main())
