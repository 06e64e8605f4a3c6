"""Training where no server is reached: MLflow's client logs into a store of its own, and `slipway sync` brings that to a
server later (docs/reference/sync.md).

    python -m slipway.offline run [--store FOLDER] [--to URL] -- COMMAND...
    python -m slipway.offline sync [--store FOLDER] --to URL [--token-file FILE]

or in a script, before the first call of MLflow:

    import slipway.offline
    slipway.offline.start()

Needs nothing but the standard library; the `slipway` program (on the PATH, or named by SLIPWAY_BINARY) for syncing only."""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys

DEFAULT_STORE = "~/slipway-offline"
EXIT_COULD_NOT = 3  # as of the slipway program


def store_folder(folder=None):
    """Where runs are kept: `folder`, SLIPWAY_OFFLINE, or ~/slipway-offline. Made if it is not there, for its owner only."""
    path = pathlib.Path(folder or os.environ.get("SLIPWAY_OFFLINE") or DEFAULT_STORE).expanduser().resolve()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def tracking_uri(folder=None):
    return f"sqlite:///{store_folder(folder) / 'mlflow.db'}"


def variables(folder=None):
    """What a script's environment needs. MLflow 3 takes the last for where files of new experiments go: beside the database;
    others leave them in the script's own folder (`mlruns`), where a sync from this machine finds them as well."""
    uri = tracking_uri(folder)
    return {"MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": str(store_folder(folder) / "artifacts")}


def start(folder=None):
    """Makes this process log into the store. Before the first call of MLflow."""
    os.environ.update(variables(folder))
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None:
        mlflow.set_tracking_uri(tracking_uri(folder))
        mlflow.set_registry_uri(tracking_uri(folder))
    return tracking_uri(folder)


def program():
    """The path of the slipway program; None where there is none."""
    return os.environ.get("SLIPWAY_BINARY") or shutil.which("slipway")


def sync(folder=None, to=None, token_file=None):
    """The exit status of `slipway sync`: 0 when all is on the server."""
    binary = program()
    if binary is None:
        print("slipway.offline: found no `slipway` program on the PATH, and SLIPWAY_BINARY names none; runs stay in "
              f"{store_folder(folder)}: `slipway sync {tracking_uri(folder)} --to URL` brings them to a server, from any machine "
              "that sees this folder", file=sys.stderr)
        return EXIT_COULD_NOT
    command = [binary, "sync", tracking_uri(folder)]
    command += ["--to", to] if to else []
    command += ["--token-file", token_file] if token_file else []
    return subprocess.run(command).returncode


def run(command, folder=None, to=None, token_file=None):
    """Runs a command that logs into the store; its exit status, whatever becomes of the sync after it."""
    with subprocess.Popen(command, env={**os.environ, **variables(folder)}) as process:
        # What ends this ends the command (a terminal's interrupt reaches both); what it did until then is synced.
        signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
        signal.signal(signal.SIGINT, lambda number, frame: None)
        status = process.wait()
    if to and sync(folder, to, token_file) != 0:
        print(f"slipway.offline: not everything is on the server yet; `python -m slipway.offline sync --to {to}` goes on",
              file=sys.stderr)
    return status if status >= 0 else 128 - status


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m slipway.offline", description=__doc__.split("\n\n")[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, words in (("run", "run a command that logs into the store"), ("sync", "bring what is in the store to a server")):
        verb = verbs.add_parser(name, help=words)
        verb.add_argument("--store", metavar="FOLDER", help=f"where runs are kept (SLIPWAY_OFFLINE, {DEFAULT_STORE})")
        verb.add_argument("--to", metavar="URL", help="the server (SLIPWAY_URL)")
        verb.add_argument("--token-file", metavar="FILE", help="a file with the token to show it")
        if name == "run":
            verb.add_argument("command", nargs="+", metavar="COMMAND")
    given = parser.parse_args(arguments)
    if given.verb == "sync":
        return sync(given.store, given.to, given.token_file)
    try:
        return run(given.command, given.store, given.to or os.environ.get("SLIPWAY_URL"), given.token_file)
    except OSError as error:
        print(f"slipway.offline: cannot run {given.command[0]}: {error.strerror}", file=sys.stderr)
        return 127


if __name__ == "__main__":
    sys.exit(main())
