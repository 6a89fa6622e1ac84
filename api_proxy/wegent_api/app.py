"""The application: clients owned by its lifespan, routes, error handlers and middleware."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel

from wegent_api.accounts import admin_routes, own_account_routes, session_routes
from wegent_api.accounts import openapi as accounts_openapi
from wegent_api.accounts import routes as account_routes
from wegent_api.apply import routes as apply_routes
from wegent_api.apply.models import ApplyResults
from wegent_api.document.entrance import install_entrance
from wegent_api.document.page import install_docs_page
from wegent_api.document.route import install_document_route
from wegent_api.document.schema import DESCRIPTION, install_openapi, operation_id
from wegent_api.groups import routes as group_routes
from wegent_api.groups.models import NamespaceChange, NamespaceCreation
from wegent_api.http.default_namespace import DefaultNamespace
from wegent_api.http.error_responses import install_error_handlers
from wegent_api.http.quick_routes import install_quick_routes
from wegent_api.http.security_headers import ASSETS
from wegent_api.keys import routes as key_routes
from wegent_api.keys.header_routes import headers_router
from wegent_api.keys.models import ModelKeyChange, SecretHeaderChange
from wegent_api.kinds import openapi as kinds_openapi
from wegent_api.kinds.routes import kinds_router
from wegent_api.members import routes as member_routes
from wegent_api.members.models import MemberChange
from wegent_api.model_tests import routes as model_test_routes
from wegent_api.openai_api import chat_routes, models_routes, responses_routes
from wegent_api.openai_api.errors import OpenAIErrors, Refusal, on_refusal
from wegent_api.openai_api.requests import CreateChatCompletion, CreateResponse
from wegent_api.runs import routes as run_routes
from wegent_api.runs.answer import NewAnswer
from wegent_api.server import routes as server_routes
from wegent_api.server.access_log import Observe
from wegent_api.server.head_requests import HeadRequests
from wegent_api.server.metrics import Metrics
from wegent_api.settings import Settings
from wegent_api.trash import routes as trash_routes
from wegent_api.version import VERSION
from wegent_api.websocket import routes as websocket_routes
from wegent_api.wiring import State, open_state
from wegent_kube.tracing import Tracing


def bodies_and_answers() -> list[type[BaseModel]]:
    """Return the models of bodies and answers whose schemas FastAPI doesn't find itself."""
    groups = (NamespaceCreation, NamespaceChange)
    own = (MemberChange, ModelKeyChange, SecretHeaderChange, NewAnswer, ApplyResults)
    openai = (CreateResponse, CreateChatCompletion)
    return [*kinds_openapi.models(), *accounts_openapi.BODIES, *groups, *own, *openai]


def create_app(settings: Settings, draining: asyncio.Event | None = None) -> FastAPI:
    """Return the application. Nothing is opened before its lifespan begins.

    Args:
        settings: the configuration.
        draining: set by the server when it begins to stop.
    """
    metrics, tracing = Metrics(), Tracing("wegent-api")
    stopping = draining or asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with open_state(settings, metrics, stopping, tracing) as state:
            yield state

    # Swagger UI comes from the package. A page that holds tokens must not run third-party scripts,
    # and it works in clusters without internet access.
    app = FastAPIOffline(
        title="Wegent",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # the proxy's own page has a Content-Security-Policy
        redoc_url=None,
        static_url=ASSETS.rstrip("/"),
        # FastAPI's own telemetry looks for its settings in each request.
        telemetry={"tracing": tracing.on, "metrics": tracing.on, "logs": tracing.on},
        redirect_slashes=False,  # its redirects name a host; those of entrance.py don't
        generate_unique_id_function=operation_id,
        # The browser does not store the token, which would otherwise outlast the page.
        swagger_ui_parameters={"persistAuthorization": False, "tryItOutEnabled": True},
    )
    # Twice: the answers to HEAD have no body further out, and some errors come from Observe.
    app.add_middleware(OpenAIErrors)
    app.add_middleware(HeadRequests)
    app.add_middleware(Observe, metrics=metrics, draining=stopping, tracing=tracing)
    app.add_middleware(OpenAIErrors)
    app.add_middleware(DefaultNamespace, namespace=settings.default_namespace)
    install_error_handlers(app)
    app.add_exception_handler(Refusal, on_refusal)
    app.include_router(account_routes.router)
    app.include_router(own_account_routes.router)
    app.include_router(session_routes.router)
    app.include_router(admin_routes.router)
    app.include_router(group_routes.router)
    app.include_router(member_routes.router)
    app.include_router(run_routes.router)
    app.include_router(websocket_routes.router)
    app.include_router(key_routes.router)
    app.include_router(headers_router())
    app.include_router(model_test_routes.router)
    app.include_router(kinds_router())
    app.include_router(apply_routes.router)
    app.include_router(trash_routes.router)
    app.include_router(models_routes.router)
    app.include_router(responses_routes.router)
    app.include_router(chat_routes.router)
    app.include_router(server_routes.router)
    install_openapi(
        app,
        bodies_and_answers(),
        kinds_openapi.derived_schemas,
        default_namespace=settings.default_namespace,
    )
    document = install_document_route(app)
    install_docs_page(app)
    install_entrance(app, document)
    tracing.of_server(app)
    if not tracing.on:  # a span has its route's name from FastAPI
        install_quick_routes(app)
    return app
