"""Errors in the API's one shape: `{"error": {"code", "message", "fields"}}`."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from django.views.defaults import page_not_found, server_error
from rest_framework import exceptions, status
from rest_framework.exceptions import APIException
from rest_framework.response import Response
from rest_framework.views import exception_handler

from bots.errors import VendorError

PREFIX: Final = "/api/v1/"
CODES: dict[type[APIException], str] = {
    exceptions.NotAuthenticated: "not_authenticated",
    exceptions.PermissionDenied: "permission_denied",
    exceptions.NotFound: "not_found",
    exceptions.MethodNotAllowed: "method_not_allowed",
    exceptions.NotAcceptable: "not_acceptable",
    exceptions.UnsupportedMediaType: "unsupported_media_type",
    exceptions.ParseError: "not_json",
    exceptions.Throttled: "throttled",
    exceptions.ValidationError: "invalid",
}


class Conflict(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class VendorFailed(APIException):
    status_code = status.HTTP_502_BAD_GATEWAY
    default_detail = _("The IM cloud could not be asked.")
    default_code = "vendor_failed"


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler, its answers put into our shape."""
    if isinstance(error, VendorError):
        error = VendorFailed(str(error))
    elif isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    response = exception_handler(error, context)
    if response is not None and isinstance(error, APIException):
        response.data = body_of(error)
    return response


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's answer where nothing is: for the API in our shape."""
    if not request.path.startswith(PREFIX):
        return page_not_found(request, exception)
    return JsonResponse(body_of(exceptions.NotFound()), status=status.HTTP_404_NOT_FOUND)


def failed(request: HttpRequest) -> HttpResponse:
    """Django's answer after an error of ours."""
    if not request.path.startswith(PREFIX):
        return server_error(request)
    return JsonResponse(
        body_of(APIException(code="internal_error")), status=status.HTTP_500_INTERNAL_SERVER_ERROR
    )


def body_of(error: APIException) -> dict[str, Any]:
    code = CODES.get(type(error)) or str(error.get_codes())
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
        return shape(code, str(_("The request is not valid.")), fields)
    return shape(code, str(error.detail))


def shape(code: str, message: str, fields: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "fields": fields or {}}}
