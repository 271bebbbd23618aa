"""The administrator of a MongoDB server of this machine's own.

    mongo-admin.py create PORT PASSWORD_FILE    makes the user admin, unless there is one
    mongo-admin.py check PORT PASSWORD_FILE     whether that user, and nobody without a password, gets in

Exit code 0: done, and so it is. 1: not yet, or no; the reason is printed.
"""

import pathlib
import socket
import sys

import pymongo
from pymongo import errors

action, port, file = sys.argv[1:]
password = pathlib.Path(file).read_text().strip()


def client(**login):
    return pymongo.MongoClient(
        "127.0.0.1", int(port), directConnection=True, serverSelectionTimeoutMS=1000, **login
    )


def check():
    client(username="admin", password=password).admin.command("usersInfo", 1)
    try:
        client().admin.command("usersInfo", 1)
    except errors.OperationFailure:
        return
    raise SystemExit("the server lets in who has no password")


def create():
    try:
        client().admin.command("createUser", "admin", pwd=password, roles=["root"])
    except errors.OperationFailure as error:
        # 51003: there is one already. 13: and the server asks for it.
        if error.code not in (13, 51003):
            raise


try:
    # The driver would wait for a server that is not there yet.
    socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
    {"create": create, "check": check}[action]()
except (OSError, errors.PyMongoError) as error:
    raise SystemExit(str(error)) from None
