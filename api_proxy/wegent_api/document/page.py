"""``/docs``: Swagger UI from this server alone, which a policy enforces.

FastAPI's own page has no Content-Security-Policy. Its inline script depends on the application's
parameters, so the policy is computed from the page.
"""

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html

from wegent_api.http.security_headers import ASSETS, DOCS, page_policy


def install_docs_page(app: FastAPI) -> None:
    """Make ``app`` serve the page. The assets must be mounted already."""

    async def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{root}{ASSETS}swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS}swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS}favicon.png",
            swagger_ui_parameters=app.swagger_ui_parameters,
        )
        page.headers["Content-Security-Policy"] = page_policy(bytes(page.body))
        return page

    app.add_api_route(DOCS, docs, methods=["GET"], include_in_schema=False)
