"""A service that brings its own database to head when it starts, in any number of replicas."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from models import Note
from pydantic import BaseModel, ConfigDict
from sqlalchemy import make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

import schemakit

MIGRATIONS = Path(__file__).parent / "migrations"
log = logging.getLogger("uvicorn.error")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url)
    try:
        result = await schemakit.upgrade(engine, migrations=MIGRATIONS)
        for line in str(result).splitlines():
            log.info(line)
        app.state.sessions = async_sessionmaker(engine)
        yield
    finally:
        await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions.begin() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


class NewNote(BaseModel):
    text: str
    author: str = "anonymous"


class SavedNote(NewNote):
    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: datetime


@app.post("/notes", status_code=201)
async def write(new: NewNote, session: Session) -> SavedNote:
    note = Note(**new.model_dump())
    session.add(note)
    await session.flush()
    await session.refresh(note)
    return SavedNote.model_validate(note)


@app.get("/notes")
async def read(session: Session) -> list[SavedNote]:
    notes = await session.scalars(select(Note).order_by(Note.created_at, Note.id))
    return [SavedNote.model_validate(note) for note in notes]


@app.get("/health")
async def health(session: Session) -> dict[str, tuple[str, ...]]:
    connection = await session.connection()
    return {"revision": await schemakit.current(connection, migrations=MIGRATIONS)}
