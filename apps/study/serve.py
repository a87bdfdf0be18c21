"""Serve a study: open its folder, migrate its database, and listen until interrupted."""

from __future__ import annotations

import logging
import secrets
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from rich.console import Console

from apps.gui.listening import THIS_MACHINE, announce, check_serving, listen, page_address
from apps.gui.security import LOOPBACK
from apps.study.backup import Caretaker, refuse_full_disk
from apps.study.choosing import ACTIVE, all_policies
from apps.study.config import SETTINGS, StudyConfig, load_config, load_instruments
from apps.study.errors import StudyError
from apps.study.locales import check_locales
from apps.study.policies import POLICIES, QueryPolicy
from apps.study.schedule import SIZES
from apps.study.server import StudyServer, make_app
from apps.study.stimuli import Stimuli, load_stimuli
from apps.study.storage import Storage
from apps.study.storage_open import database_url, open_engines


@dataclass(frozen=True)
class ServeStudy:
    """Serve a study to its participants."""

    folder: Path
    """The study's folder, as init made it."""
    host: str = "127.0.0.1"
    """Interface to listen on; 0.0.0.0 for all, behind a proxy that speaks TLS or with --certificate."""
    port: int = 8360
    """Port; when it is taken, the next free one is used. 0 picks any."""
    allow_host: tuple[str, ...] = ()
    """Names under which participants reach this server, without port: study.lab.example."""
    browser: bool = True
    """Open the page in the default browser."""
    token: str = ""
    """Token that researchers show to see how the study goes; without it, a random one is made and printed."""
    certificate: Path | None = None
    """TLS certificate (PEM)."""
    key: Path | None = None
    """Private key of the certificate (PEM)."""
    policies: Mapping[str, QueryPolicy] = field(default_factory=dict)
    """More ways to choose comparisons, for programs that start the study themselves."""


def open_study(folder: Path, policies: Mapping[str, QueryPolicy] | None = None) -> Storage:
    """Read and check a study's folder, and open its database.

    Raises:
        ConfigError: a setting cannot be used.
        InstrumentError: a questionnaire is missing or has no text.
        StudyError: animations are missing, the disk is full, or the database cannot be used.
    """
    config = load_config(folder / SETTINGS)
    stimuli = load_stimuli(folder / "stimuli")
    check_study(config, stimuli, folder, policies or {})
    refuse_full_disk(folder)
    engines = open_engines(database_url(folder, config.database))
    try:
        return Storage(engines, config, stimuli, folder)
    except BaseException:
        for engine in engines:
            engine.dispose()
        raise


def check_study(config: StudyConfig, stimuli: Stimuli, folder: Path, policies: Mapping[str, QueryPolicy]) -> None:
    """Look whether settings, animations and questionnaires fit together.

    Raises:
        StudyError: a block's task has no animations, or too few; obvious triplets are missing; or a policy does not
            choose what is asked.
        ConfigError, InstrumentError: see `open_study`.
    """
    for task in config.tasks:
        if task not in stimuli.tasks:
            raise StudyError(f"task {task!r} has no animations; there are {', '.join(stimuli.tasks)}: make a new study")
    conditions = config.allocation.conditions or ("",)
    for block in (config.block_for(block, condition) for block in config.blocks for condition in conditions):
        there, size = stimuli.tasks[block.task], SIZES[block.kind]
        if len(there.items) < size:
            raise StudyError(
                f"task {block.task!r} has {len(there.items)} animations; a {block.kind} shows {size} different ones"
            )
        if block.kind == "triplet" and block.golden_share > 0 and not there.golden:
            raise StudyError(
                f"task {block.task!r} has no obvious triplets: set golden_share = 0 in block {block.name!r}"
            )
        if block.kind != "triplet" and block.policy in ACTIVE:
            raise StudyError(
                f"block {block.name!r}: policy {block.policy!r} chooses triplets only, and a {block.kind} is asked: "
                f"take {' or '.join(map(repr, POLICIES))}"
            )
    check_locales(config, folder)
    load_instruments(config, folder)
    all_policies(config, policies)


def serve_study(args: ServeStudy) -> None:
    """Serve until interrupted; then store what waits, and make a last backup.

    Raises:
        ValueError: an option or a setting that cannot be used.
        StudyError: the folder or its database cannot be used.
        OSError: no port is free, or the interface does not exist.
    """
    check_serving(args.port, args.certificate, args.key)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    console = Console(stderr=True)
    storage = open_study(args.folder, args.policies)
    listening = listen(args.host, args.port)
    port = listening.getsockname()[1]
    if port != args.port and args.port:
        console.print(f"port {args.port} is taken, using {port}")
    token = args.token or secrets.token_urlsafe(24)
    caretaker = Caretaker(storage.engines, args.folder, storage.config.backup_minutes)
    app = make_app(
        StudyServer(
            storage, args.folder, token, allowed_hosts(args.host, args.allow_host), args.policies,
            caretaker.is_full, caretaker.stop,
        )
    )  # fmt: skip
    caretaker.start()
    for notice in storage.registered.notices:
        console.print(notice)
    if args.host not in THIS_MACHINE:
        _warn(args, console)
    address = page_address(args.host, port, tls=args.certificate is not None)
    console.print(f"Researchers: {address}api/study/status with the token {token}", soft_wrap=True)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            timeout_graceful_shutdown=5,
            limit_concurrency=2_000,
            ssl_certfile=args.certificate,
            ssl_keyfile=args.key,
            server_header=False,
        )
    )
    threading.Thread(target=announce, args=(server, address, args.browser, console, "The study"), daemon=True).start()
    server.run(sockets=[listening])
    if not server.started:
        raise RuntimeError(f"the server did not start at {address}: see above")


def _warn(args: ServeStudy, console: Console) -> None:
    """Print what whoever opens a study to others ought to know."""
    if args.certificate is None:
        console.print("Answers travel unencrypted: give --certificate and --key, or a proxy that speaks TLS.")
    names = ", ".join(allowed_hosts(args.host, args.allow_host))
    console.print(f"Participants reach it as {names}; give other names with --allow-host.", soft_wrap=True)


def allowed_hosts(host: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names that the Host header may have: this machine's, the interface's, and those that were given."""
    if host in ("0.0.0.0", "::"):
        own = (socket.gethostname().lower(),)
    else:
        own = (f"[{host}]" if ":" in host else host.lower(),)
    return tuple(dict.fromkeys([*LOOPBACK, *own, *(name.lower() for name in names)]))
