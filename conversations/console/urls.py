from __future__ import annotations

from django.urls import path

from conversations.console import views

app_name = "console"
urlpatterns = [
    path("", views.console, name="home"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("list/", views.listed, name="list"),
    path("next/", views.take_next, name="next"),
    path("away/", views.away, name="away"),
    path("found/", views.found, name="found"),
    path("<str:public_id>/", views.conversation, name="conversation"),
    path("<str:public_id>/messages/", views.messages, name="messages"),
    path("<str:public_id>/read/", views.read, name="read"),
    path("<str:public_id>/take-over/", views.take_over, name="take_over"),
    path("<str:public_id>/hand-back/", views.hand_back, name="hand_back"),
    path("<str:public_id>/assign/", views.assign, name="assign"),
    path("<str:public_id>/resolve/", views.resolve, name="resolve"),
    path("<str:public_id>/tags/", views.tag, name="tags"),
    path("<str:public_id>/say/", views.say, name="say"),
]
