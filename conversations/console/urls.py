from __future__ import annotations

from django.urls import path

from conversations.console import answering, number_pages, views

app_name = "console"
urlpatterns = [
    path("", views.console, name="home"),
    path("login/", views.Login.as_view(), name="login"),
    path("logout/", views.Logout.as_view(), name="logout"),
    path("list/", views.listed, name="list"),
    path("numbers/", number_pages.page, name="numbers"),
    path("numbers.csv", number_pages.as_csv, name="numbers_csv"),
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
    path("<str:public_id>/file/", answering.send_file, name="file"),
    path("<str:public_id>/user/", answering.about_user, name="user"),
    path("<str:public_id>/turns/<int:turn_id>/", answering.about_turn, name="turn"),
    path("<str:public_id>/canned/", answering.canned_replies, name="canned"),
    path("<str:public_id>/suggest/", answering.suggest, name="suggest"),
    path("<str:public_id>/note/", answering.add_note, name="note"),
    path("<str:public_id>/messages/<int:message_id>/recall/", answering.recall, name="recall"),
    path("<str:public_id>/messages/<int:message_id>/edit/", answering.edit, name="edit"),
    path("<str:public_id>/messages/<int:message_id>/again/", answering.send_again, name="again"),
]
