"""The first tables, and the triggers that make the log append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _texts()
    _people()
    _log()
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(sa.DDL(statement.replace("%", "%%")))


def _texts() -> None:
    op.create_table(
        "study",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("config", sa.Text, nullable=False),
        sa.Column("config_sha256", sa.String(64), nullable=False),
        sa.Column("plan_sha256", sa.String(64), nullable=False),
        sa.Column("stimuli_sha256", sa.String(64), nullable=False),
        sa.Column("code_version", sa.String(80), nullable=False),
    )
    op.create_table(
        "consent_text",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("language", "sha256"),
    )
    op.create_table(
        "instrument",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.UniqueConstraint("name", "sha256"),
    )


def _people() -> None:
    op.create_table(
        "participant",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("uuid", sa.String(36), nullable=False, unique=True),
        sa.Column("study_id", _NUMBER, sa.ForeignKey("study.id"), nullable=False, index=True),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer),
        sa.Column("condition", sa.String(80)),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.String(24)),
        sa.Column("finished", sa.BigInteger),
        sa.Column("withdrawn", sa.BigInteger),
    )
    op.create_table(
        "external_id",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("participant_id", _NUMBER, sa.ForeignKey("participant.id"), nullable=False, index=True),
        sa.Column("platform", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("ids", sa.Text, nullable=False),
        sa.UniqueConstraint("platform", "digest"),
    )
    op.create_table(
        "queue",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("condition", sa.String(80), nullable=False),
        sa.Column("participant_id", _NUMBER, sa.ForeignKey("participant.id")),
    )
    op.create_table("erasure", sa.Column("participant_id", _NUMBER, primary_key=True, autoincrement=False))


def _log() -> None:
    op.create_table(
        "session",
        sa.Column("id", _NUMBER, primary_key=True),
        sa.Column("participant_id", _NUMBER, sa.ForeignKey("participant.id"), nullable=False, index=True),
        sa.Column("secret_sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("client", sa.Text, nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("seq", _NUMBER, primary_key=True),
        sa.Column("session_id", _NUMBER, sa.ForeignKey("session.id"), nullable=False),
        sa.Column("participant_id", _NUMBER, sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("key", sa.String(36), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("trial_id", sa.String(120), nullable=False),
        sa.Column("client_ms", sa.Double),
        sa.Column("t_server", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("payload_sha256", sa.String(64)),
        sa.Column("reply", sa.Text),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.UniqueConstraint("session_id", "key"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_participant_id_seq"), "event", ["participant_id", "seq"])


# The only change that a trigger lets through empties the payload of a person who is being erased.
_UNCHANGED = " AND ".join(
    f"NEW.{name} = OLD.{name}"
    for name in ("seq", "session_id", "participant_id", "key", "type", "trial_id", "t_server")
)
_ERASES = (
    f"{_UNCHANGED} AND NEW.payload IS NULL AND NEW.payload_sha256 IS NULL AND NEW.reply IS NULL "
    "AND EXISTS (SELECT 1 FROM erasure WHERE participant_id = OLD.participant_id)"
)
_SQLITE = (
    f"CREATE TRIGGER event_no_update BEFORE UPDATE ON event WHEN NOT ({_ERASES}) "
    "BEGIN SELECT RAISE(ABORT, 'append-only'); END",
    "CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'append-only'); END",
    # INSERT OR REPLACE deletes without asking the trigger above.
    "CREATE TRIGGER event_no_replace BEFORE INSERT ON event WHEN EXISTS (SELECT 1 FROM event WHERE seq = NEW.seq OR "
    "(session_id = NEW.session_id AND key = NEW.key)) BEGIN SELECT RAISE(ABORT, 'append-only'); END",
)
_POSTGRESQL = (
    "CREATE FUNCTION event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    f"IF TG_OP = 'UPDATE' THEN IF {_ERASES} THEN RETURN NEW; END IF; END IF; "
    "RAISE EXCEPTION 'append-only'; END $$",
    "CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE ON event FOR EACH ROW EXECUTE FUNCTION event_append_only()",
    "CREATE TRIGGER event_no_truncate BEFORE TRUNCATE ON event FOR EACH STATEMENT EXECUTE FUNCTION event_append_only()",
)
