"""The part of the Hugging Face Hub's HTTP protocol that pushing and pulling weights needs, on loopback and in memory.

The real huggingface_hub client talks to it. It keeps a log of requests and can be told to fail the way networks do.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

TOKEN = "hf_writer"


@dataclass
class Repository:
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)  # commit hash -> files by path
    refs: dict[str, str] = field(default_factory=dict)  # branch or tag -> commit hash

    def commit(self, files: dict[str, bytes]) -> str:
        before = self.commits.get(self.refs.get("main"), {})
        content = "".join(sorted(before | files)) + str(len(self.commits))
        commit_hash = hashlib.sha1(content.encode()).hexdigest()
        self.commits[commit_hash] = before | files
        self.refs["main"] = commit_hash
        return commit_hash


class Hub:
    """A server while the `with` block lasts."""

    def __init__(self):
        self.repositories: dict[str, Repository] = {}
        self.lfs: dict[str, bytes] = {}
        self.log: list[tuple[str, str]] = []  # method and path of each request
        self.sent: dict[str, int] = {}  # bytes of each file that went out
        self.ranges: list[str] = []  # Range headers that came in
        self.cut_after: int | None = None  # bytes of the next download after which the connection breaks
        self.down = False  # every download fails
        self.corrupt = False  # one bit of each tensors' file is wrong
        self.down_after_cut = False  # the server stays away once a connection has broken

    def __enter__(self) -> "Hub":
        config = uvicorn.Config(_app(self), host="127.0.0.1", port=0, log_level="critical")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)
        host, port = self.server.servers[0].sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(self, *_) -> None:
        self.server.should_exit = True
        self.thread.join()

    def forget(self) -> None:
        """Clear the log."""
        self.log, self.sent, self.ranges = [], {}, []

    def downloads(self) -> list[str]:
        """Paths of the files that were asked for, contents included."""
        return [path for method, path in self.log if method == "GET" and "/resolve/" in path]


def _error(status: int, code: str = "", message: str = "") -> HTTPException:
    return HTTPException(status, message, headers={"X-Error-Code": code, "X-Error-Message": message})


def _app(hub: Hub) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def log(request: Request, call_next):
        hub.log.append((request.method, request.url.path))
        return await call_next(request)

    def token(request: Request) -> str | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ") or None
        if given not in (None, TOKEN):
            raise _error(401, message="Invalid credentials in Authorization header")
        return given

    def writer(request: Request) -> None:
        if token(request) is None:
            raise _error(401, message="Invalid username or password.")

    def repository(request: Request, repo_id: str) -> Repository:
        given = token(request)
        found = hub.repositories.get(repo_id)
        if found is None or (found.private and given is None):
            # The Hub does not tell strangers which private repositories there are.
            raise _error(404 if given else 401, "RepoNotFound", "Repository not found")
        return found

    def commit_hash(found: Repository, revision: str) -> str:
        resolved = found.refs.get(revision, revision)
        if resolved not in found.commits:
            raise _error(404, "RevisionNotFound", "Invalid rev id")
        return resolved

    # --- reading

    @app.get("/api/models/{owner}/{name}/revision/{revision}")
    def info(request: Request, owner: str, name: str, revision: str):
        found = repository(request, f"{owner}/{name}")
        return {"id": f"{owner}/{name}", "sha": commit_hash(found, revision), "private": found.private, "siblings": []}

    @app.get("/api/models/{owner}/{name}/tree/{revision}")
    def tree(request: Request, owner: str, name: str, revision: str):
        found = repository(request, f"{owner}/{name}")
        return [
            {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
            for path, content in found.commits[commit_hash(found, revision)].items()
        ]

    @app.api_route("/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
    def resolve(request: Request, owner: str, name: str, revision: str, path: str):
        found = repository(request, f"{owner}/{name}")
        commit = commit_hash(found, revision)
        if path not in found.commits[commit]:
            raise _error(404, "EntryNotFound", "Entry not found")
        if hub.down:
            raise _error(503, message="Service unavailable")
        content = found.commits[commit][path]
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": commit,
            "Accept-Ranges": "bytes",
            "Content-Length": str(len(content)),
        }
        if request.method == "HEAD":
            return Response(headers=headers)
        if hub.corrupt and path.endswith(".safetensors"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, start = 200, 0
        if given := request.headers.get("range"):
            hub.ranges.append(given)
            start = int(given.removeprefix("bytes=").split("-")[0])
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            headers["Content-Length"] = str(len(content) - start)
        return StreamingResponse(send(path, content[start:]), status, headers)

    def send(path: str, content: bytes) -> Iterator[bytes]:
        end = len(content)
        if hub.cut_after is not None and path.endswith(".safetensors"):
            end, hub.cut_after, hub.down = hub.cut_after, None, hub.down_after_cut
        for start in range(0, end, 2**16):
            chunk = content[start : min(start + 2**16, end)]
            hub.sent[path] = hub.sent.get(path, 0) + len(chunk)
            yield chunk
        if end < len(content):
            raise ConnectionAbortedError  # the server drops the connection in the middle of the answer

    # --- writing

    @app.post("/api/repos/create")
    async def create(request: Request):
        writer(request)
        wanted = await request.json()
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        answer = {"url": f"{hub.url}/{repo_id}", "id": repo_id}
        if repo_id in hub.repositories:
            return JSONResponse(answer, 409)
        private = wanted.get("private") or wanted.get("visibility") == "private"
        hub.repositories[repo_id] = Repository(private=bool(private))
        hub.repositories[repo_id].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return answer

    @app.post("/api/validate-yaml")
    async def validate(request: Request):
        return {"errors": [], "warnings": []}

    @app.post("/api/models/{owner}/{name}/preupload/{revision}")
    async def preupload(request: Request, owner: str, name: str, revision: str):
        writer(request)
        repository(request, f"{owner}/{name}")
        files = [
            {"path": path, "uploadMode": "lfs" if path.endswith(".safetensors") else "regular", "shouldIgnore": False}
            for path in (file["path"] for file in (await request.json())["files"])
        ]
        return {"files": files}

    @app.post("/{owner}/{name}.git/info/lfs/objects/batch")
    async def batch(request: Request, owner: str, name: str):
        writer(request)
        objects = [
            {"oid": each["oid"], "size": each["size"]}
            | ({} if each["oid"] in hub.lfs else {"actions": {"upload": {"href": f"{hub.url}/lfs/{each['oid']}"}}})
            for each in (await request.json())["objects"]
        ]
        return {"transfer": "basic", "objects": objects}

    @app.put("/lfs/{oid}")
    async def upload(request: Request, oid: str):
        content = await request.body()
        if hashlib.sha256(content).hexdigest() != oid:
            raise _error(422, message="content does not match its oid")
        hub.lfs[oid] = content
        return {}

    @app.post("/api/models/{owner}/{name}/commit/{revision}")
    async def commit(request: Request, owner: str, name: str, revision: str):
        writer(request)
        found = repository(request, f"{owner}/{name}")
        files = {}
        for line in (await request.body()).splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = hub.lfs[value["oid"]]
        oid = found.commit(files)
        return {"success": True, "commitOid": oid, "commitUrl": f"{hub.url}/{owner}/{name}/commit/{oid}"}

    return app
