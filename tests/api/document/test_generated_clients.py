"""Clients generated from the OpenAPI document, used on a real proxy."""

import asyncio
import importlib
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from devcluster.binaries import cache_root
from tests.api.users import PASSWORD, User, provision, unique
from tests.support.api import Api
from tests.support.npm import installed
from tests.support.proxy import Client
from wegent_api.http.examples import KINDS
from wegent_crds.registry import BY_PLURAL
from wegent_kube.content_types import JSON_PATCH

JAR: Final = cache_root() / "openapi-generator-cli-7.17.0.jar"
"""The file that hack/fetch-openapi-generator downloads."""
TYPESCRIPT: Final = Path(__file__).parent / "typescript"
NODE: Final = shutil.which("node") or ""
needs_jar = pytest.mark.skipif(
    not JAR.exists() or shutil.which("java") is None,
    reason="there is no openapi-generator: it takes Java, Maven and hack/fetch-openapi-generator",
)

NewUser = Callable[[], Awaitable[User]]
GENERATED_WITHIN_S: Final = 150
"""Java takes 15 s on two free cores; other tests share the cores."""
pytestmark = pytest.mark.usefixtures("operator")  # deleted objects go to the trash


async def run(*command: str | Path, cwd: Path) -> str:
    """Return the output of one command; fail if it fails."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), GENERATED_WITHIN_S)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode == 0, out.decode()[-5000:]
    return out.decode()


async def document(client: Client, directory: Path) -> Path:
    """Write the proxy's OpenAPI document to a file."""
    path = directory / "openapi.json"
    path.write_text(json.dumps((await client.get("/openapi.json")).expect(200)), encoding="utf-8")
    return path


@contextmanager
def importable(directory: Path, package: str) -> Iterator[None]:
    """Make a package importable from ``directory``, and remove it from the modules at the end."""
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for name in [it for it in sys.modules if it.partition(".")[0] == package]:
            del sys.modules[name]


def ghost(name: str, prompt: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"systemPrompt": prompt}}


def whole(name: str, prompt: str) -> dict[str, Any]:
    return {"apiVersion": "agent.wecode.io/v1", "kind": "Ghost", **ghost(name, prompt)}


def named(example: Mapping[str, Any]) -> dict[str, Any]:
    """Return an example under a unique name, as other tests may use its own name."""
    return {**example, "metadata": {**example["metadata"], "name": unique("example")}}


def patch_to(prompt: str) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": "/spec/systemPrompt", "value": prompt}]


@dataclass(frozen=True, slots=True)
class OfOpenapiPythonClient:
    """A user of the package that openapi-python-client made."""

    base: str
    name: str
    directory: Path
    package: str = "wegent_generated"

    def module(self, name: str) -> Any:
        return importlib.import_module(f"{self.package}.{name}")

    def model(self, name: str, body: Mapping[str, Any]) -> Any:
        return getattr(self.module("models"), name).from_dict(body)

    def every_operation(self) -> list[ModuleType]:
        made = self.directory / self.package
        return [
            self.module(".".join(file.relative_to(made).with_suffix("").parts))
            for file in sorted((made / "api").glob("*/*.py"))
            if file.stem != "__init__"
        ]

    def register(self) -> None:
        body = {
            "username": self.name,
            "email": f"{self.name}@example.com",
            "password": PASSWORD,
        }
        with self.module("client").Client(base_url=self.base) as client:
            done = self.module("api.auth.register").sync_detailed(
                client=client, body=self.model("Registration", body)
            )
        assert done.status_code == 201, done.content

    def log_in(self) -> Any:
        credentials = self.model("Credentials", {"username": self.name, "password": PASSWORD})
        with self.module("client").Client(base_url=self.base, timeout=60) as client:
            token = self.module("api.auth.login").sync(client=client, body=credentials)
        make = self.module("client").AuthenticatedClient
        return make(base_url=self.base, token=token.access_token, timeout=60)

    def use(self) -> None:
        with self.log_in() as me:
            for part in (self.write, self.change, self.follow, self.delete, self.rehearse):
                part(me)

    def write(self, me: Any) -> None:
        assert self.module("api.auth.get_me").sync(client=me).username == self.name
        body = self.model("GhostBody", ghost(self.name, "One."))
        made = self.module("api.ghosts.create_ghost").sync(client=me, body=body)
        assert made.metadata.name == self.name
        listed = self.module("api.ghosts.list_ghosts").sync(client=me, namespace="default")
        assert self.name in {it.metadata.name for it in listed.items}

    def prompt(self, me: Any) -> str:
        got = self.module("api.ghosts.get_ghost").sync(self.name, client=me)
        return str(got.spec.system_prompt)

    def change(self, me: Any) -> None:
        patch = self.model("ChangeGhostJsonBody", {"spec": {"systemPrompt": "Two."}})
        changed = self.module("api.ghosts.change_ghost").sync(self.name, client=me, body=patch)
        assert changed.spec.system_prompt == "Two."
        url, headers = f"/api/v1/kinds/ghosts/{self.name}", {"Content-Type": JSON_PATCH}
        me.get_httpx_client().patch(url, json=patch_to("Three."), headers=headers).read()
        assert self.prompt(me) == "Three."
        applied = self.module("api.apply.apply").sync(
            client=me, body=self.model("ApplyJsonBody", whole(self.name, "Four."))
        )
        assert [it.result for it in applied.items] == ["configured"]
        assert self.prompt(me) == "Four."
        body = self.model("GhostBody", ghost(self.name, "Five."))
        self.module("api.ghosts.replace_ghost").sync(self.name, client=me, body=body)
        assert self.prompt(me) == "Five."

    def follow(self, me: Any) -> None:
        asked = self.module("api.ghosts.list_ghosts")._get_kwargs(namespace="default", watch=True)
        with me.get_httpx_client().stream(**asked) as answer:
            assert any(self.name in line for line in answer.iter_lines())

    def delete(self, me: Any) -> None:
        gone = self.module("api.ghosts.delete_ghost").sync_detailed(self.name, client=me)
        assert gone.status_code in {202, 204}, gone.content
        kind = self.module("models").ListTrashKind("Ghost")
        trash = self.module("api.trash.list_trash").sync(client=me, kind=kind, name=self.name)
        restored = self.module("api.trash.restore_tombstone").sync(
            trash.items[0].metadata.name, client=me
        )
        assert type(restored).__name__ == "Ghost"
        absent = self.module("api.ghosts.get_ghost").sync(unique("absent"), client=me)
        assert absent.code == 404

    def rehearse(self, me: Any) -> None:
        for plural, example in KINDS.items():
            kind = BY_PLURAL[plural].kind
            made = self.module(f"api.{plural}.create_{kind.lower()}").sync(
                client=me,
                body=self.model(f"{kind}Body", named(example)),
                validate_refs=False,
                dry_run="All",
            )
            assert type(made).__name__ == kind, made
            listed = self.module(f"api.{plural}.list_{plural}").sync(client=me, namespace="*")
            assert type(listed).__name__ == f"{kind}List", listed


async def test_openapi_python_client(anonymous: Client, api: Api, tmp_path: Path) -> None:
    user = OfOpenapiPythonClient(anonymous.base, unique("generated"), tmp_path)
    path = await document(anonymous, tmp_path)
    program = Path(sys.executable).with_name("openapi-python-client")
    config = tmp_path / "config.yaml"
    config.write_text("post_hooks: []\n", encoding="utf-8")
    await run(
        *(program, "generate", "--path", path, "--meta=none", "--config", config),
        *("--output-path", tmp_path / user.package),
        cwd=tmp_path,
    )
    with importable(tmp_path, user.package):
        described = json.loads(path.read_text(encoding="utf-8"))
        wanted = sum(len(methods) for methods in described["paths"].values())
        assert len(user.every_operation()) == wanted  # none is missing, and each can be imported
        await asyncio.to_thread(user.register)
        await provision(api, user.name)
        await asyncio.to_thread(user.use)


@dataclass(frozen=True, slots=True)
class OfOpenapiGenerator:
    """A user of the package that openapi-generator made."""

    base: str
    name: str
    package: str = "wegent_openapi"

    @contextmanager
    def client(self, token: str | None = None) -> Iterator[tuple[Any, Any]]:
        made: Any = importlib.import_module(self.package)
        client = made.ApiClient(made.Configuration(host=self.base, access_token=token))
        try:
            yield made, client
        finally:
            client.rest_client.pool_manager.clear()  # the client closes nothing itself

    def register(self) -> None:
        body = {
            "username": self.name,
            "email": f"{self.name}@example.com",
            "password": PASSWORD,
        }
        with self.client() as (made, client):
            registered = made.AuthApi(client).register(made.Registration(**body))
        assert registered.username == self.name

    def log_in(self) -> str:
        with self.client() as (made, client):
            credentials = made.Credentials(username=self.name, password=PASSWORD)
            return str(made.AuthApi(client).login(credentials).access_token)

    def use(self) -> None:
        with self.client(self.log_in()) as (made, client):
            for part in (self.write, self.change, self.follow, self.delete, self.rehearse):
                part(made, client)

    def write(self, made: Any, client: Any) -> None:
        assert made.AuthApi(client).get_me().username == self.name
        ghosts = made.GhostsApi(client)
        body = made.GhostBody.from_dict(ghost(self.name, "One."))
        assert ghosts.create_ghost(body).metadata.name == self.name
        listed = ghosts.list_ghosts(namespace="default")
        assert self.name in {it.metadata.name for it in listed.items}

    def change(self, made: Any, client: Any) -> None:
        ghosts = made.GhostsApi(client)

        def prompt() -> str:
            return str(ghosts.get_ghost(self.name).spec.system_prompt)

        changed = ghosts.change_ghost(self.name, {"spec": {"systemPrompt": "Two."}})
        assert changed.spec.system_prompt == "Two."
        asked = client.param_serialize(
            "PATCH",
            f"/api/v1/kinds/ghosts/{self.name}",
            header_params={"Content-Type": JSON_PATCH},
            body=patch_to("Three."),
            auth_settings=["bearer"],
        )
        client.call_api(*asked).read()
        assert prompt() == "Three."
        applied = made.ApplyApi(client).apply(whole(self.name, "Four."))
        assert [it.result for it in applied.items] == ["configured"]
        assert prompt() == "Four."
        ghosts.replace_ghost(self.name, made.GhostBody.from_dict(ghost(self.name, "Five.")))
        assert prompt() == "Five."

    def follow(self, made: Any, client: Any) -> None:
        ghosts = made.GhostsApi(client)
        followed = ghosts.list_ghosts_without_preload_content(namespace="default", watch=True)
        try:
            assert any(self.name.encode() in line for line in followed)
        finally:
            followed.close()

    def delete(self, made: Any, client: Any) -> None:
        ghosts, trash = made.GhostsApi(client), made.TrashApi(client)
        ghosts.delete_ghost(self.name)
        tombstone = trash.list_trash(kind="Ghost", name=self.name).items[0]
        restored = trash.restore_tombstone(tombstone.metadata.name)
        assert type(restored.actual_instance).__name__ == "Ghost"
        with pytest.raises(made.exceptions.NotFoundException):
            ghosts.get_ghost(unique("absent"))

    def rehearse(self, made: Any, client: Any) -> None:
        for plural, example in KINDS.items():
            kind = BY_PLURAL[plural].kind
            api = getattr(made, f"{plural.capitalize()}Api")(client)
            body = getattr(made, f"{kind}Body").from_dict(named(example))
            create = getattr(api, f"create_{kind.lower()}")
            assert create(body, validate_refs=False, dry_run="All").kind == kind
            assert getattr(api, f"list_{plural}")(namespace="*").kind == f"{kind}List"


@needs_jar
async def test_openapi_generator(anonymous: Client, api: Api, tmp_path: Path) -> None:
    user = OfOpenapiGenerator(anonymous.base, unique("generated"))
    path = await document(anonymous, tmp_path)
    await run(
        *("java", "-jar", JAR, "generate", "-i", path, "-g", "python", "-o", tmp_path / "made"),
        f"--additional-properties=packageName={user.package}",
        "--global-property=apiTests=false,modelTests=false,apiDocs=false,modelDocs=false,"
        "apis,models,supportingFiles",
        cwd=tmp_path,
    )
    with importable(tmp_path / "made", user.package):
        await asyncio.to_thread(user.register)
        await provision(api, user.name)
        await asyncio.to_thread(user.use)


@needs_jar
@pytest.mark.skipif(not NODE, reason="node is not installed")
async def test_openapi_generator_for_typescript(
    anonymous: Client, new_user: NewUser, tmp_path: Path
) -> None:
    """The client and its user are compiled with all of TypeScript's strict checks."""
    user = await new_user()
    path = await document(anonymous, tmp_path)
    made = tmp_path / "made"
    await run(
        *("java", "-jar", JAR, "generate", "-i", path, "-g", "typescript-fetch", "-o", made),
        cwd=tmp_path,
    )
    for name in ("use.ts", "tsconfig.json"):
        shutil.copy(TYPESCRIPT / name, tmp_path)
    packages = await asyncio.to_thread(installed, TYPESCRIPT)
    await run(NODE, packages / "node_modules" / "typescript" / "bin" / "tsc", cwd=tmp_path)
    out = await run(NODE, "built/use.js", anonymous.base, user.name, PASSWORD, cwd=tmp_path)
    assert json.loads(out) == {"made": user.name, "listed": True, "prompt": "One.", "absent": 404}
