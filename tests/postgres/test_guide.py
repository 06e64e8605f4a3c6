"""docs/guide/team-server.md: what it says of the database, and what its table says that one sees."""
import contextlib
import os
import pathlib
import re
import subprocess

from conftest import ROOT, Database, Postgres, acts
from server import Server, call

PAGE = (ROOT / "docs" / "guide" / "team-server.md").read_text()


def up(uri, state, *arguments, **environment):
    """A start that must fail; what it says."""
    done = subprocess.run([os.environ["SLIPWAY_BINARY"], "up", "--listen", "127.0.0.1:0", "--state", str(state), "--store", uri,
                           *arguments], capture_output=True, text=True, timeout=60, env=dict(os.environ, **environment))
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_the_commands_of_the_page_make_a_database_that_two_servers_share(tmp_path):
    statements = re.search(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S)[1].replace("'...'", "'a secret'")
    exports = dict(re.findall(r"^export (SLIPWAY_\w+)='(.*)'$", PAGE, re.M))
    assert set(exports) == {"SLIPWAY_STORE", "SLIPWAY_ARTIFACTS"}
    with Postgres() as postgres:
        owner = Database(postgres)
        for statement in statements.split(";\n"):
            if statement.strip():
                owner.execute(statement)
        hba = postgres.data / "pg_hba.conf"
        hba.write_text("local all slipway scram-sha-256\n" + hba.read_text())
        owner.execute("select pg_reload_conf()")
        uri = f"postgresql://slipway@/slipway?host={postgres.folder}"
        environment = {"SLIPWAY_STORE": uri, "SLIPWAY_ARTIFACTS": str(tmp_path / "shared")}
        (tmp_path / "pgpass").write_text("*:*:slipway:slipway:a secret\n")
        (tmp_path / "pgpass").chmod(0o600)
        servers = [Server(tmp_path / name, PGPASSFILE=str(tmp_path / "pgpass"), **environment) for name in ("one", "two")]
        for server in servers:
            server.start()
        assert [acts(server) for server in servers] == [True, False]
        for server in servers:
            with contextlib.closing(server.connect()) as connection:
                assert call(connection, "GET", "/ready")[0] == 200
        assert len(owner.execute("select 1 from pg_stat_activity where usename = 'slipway'")) <= 2 * 10
        for server in servers:
            assert server.stop() == 0

        # What the table says.
        said = up(f"postgresql://slipway:wrong-secret@/slipway?host={postgres.folder}", tmp_path / "s",
                  PGPASSFILE=str(pathlib.Path(os.devnull)))
        assert "cannot connect to PostgreSQL" in said and "password authentication failed" in said
        assert "wrong-secret" not in said
        said = up(f"postgresql://slipway@/nothing?host={tmp_path}", tmp_path / "s")
        assert "cannot connect to PostgreSQL" in said
        ascii_one = Database(postgres, "template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
        assert "is encoded in SQL_ASCII" in up(ascii_one.uri, tmp_path / "s")
        owner.execute("create role reader login")
        said = up(owner.uri.replace("user=postgres", "user=reader"), tmp_path / "s")
        assert "permission denied" in said and "grant usage, create on schema" in said
