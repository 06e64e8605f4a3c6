"""A state folder remembers that its catalogue is in PostgreSQL: whoever is given the folder alone goes on there."""
import contextlib
import json
import os
import subprocess

from server import Server, create_run

CONTRACT = """apiVersion: v3.1.0
kind: DataContract
id: rows
version: 1.0.0
status: active
schema:
  - name: rows
    properties:
      - name: x
        logicalType: integer
        required: true
"""


def slipway(*arguments, code=0, **options):
    done = subprocess.run([os.environ["SLIPWAY_BINARY"], *map(str, arguments)], capture_output=True, text=True, timeout=60,
                          **options)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_servers_and_commands_find_the_catalogue_where_it_was(database, start, tmp_path):
    first = start(database.uri, "one", artifacts=None)
    with contextlib.closing(first.connect()) as connection:
        run = create_run(connection)
    first.kill()

    assert run in slipway("runs", "export", "--experiment", "0", "--state", first.state)
    (tmp_path / "rows.csv").write_text("x\n1\n2\n")
    (tmp_path / "rows.yaml").write_text(CONTRACT)
    before = int(database.execute("select count(*) from judgements")[0])
    slipway("check", "rows.csv", "--contract", "rows.yaml", cwd=tmp_path,
            env=dict(os.environ, SLIPWAY_STATE=str(first.state)))
    assert int(database.execute("select count(*) from judgements")[0]) == before + 1

    second = Server(first.state)
    second.start()
    try:
        assert run in slipway("runs", "export", "--experiment", "0", "--state", first.state)
    finally:
        second.kill()
    assert not (first.state / "catalog.db").exists()
    kept = first.state / "store.json"
    assert json.loads(kept.read_text()) == {"store": database.uri} and kept.stat().st_mode & 0o777 == 0o600

    # Back in the folder, which knows nothing of that run.
    third = Server(first.state, arguments=["--store", f"sqlite://{first.state}/catalog.db"])
    third.start()
    third.kill()
    assert not kept.exists()
    assert run not in slipway("runs", "export", "--experiment", "0", "--state", first.state)
