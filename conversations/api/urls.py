from __future__ import annotations

from django.urls import path

from conversations.api import views

SESSION = "sessions/<str:public_id>"
CONVERSATION = "conversations/<str:public_id>"

app_name = "api"
urlpatterns = [
    path("sessions", views.SessionsView.as_view(), name="sessions"),
    path(SESSION, views.SessionView.as_view(), name="session"),
    path(f"{SESSION}/token", views.TokenView.as_view(), name="session-token"),
    path(f"{SESSION}/user_token", views.UserTokenView.as_view(), name="session-user-token"),
    path(f"{SESSION}/messages", views.SessionMessagesView.as_view(), name="session-messages"),
    path(f"{SESSION}/interrupt", views.InterruptView.as_view(), name="session-interrupt"),
    path(f"{SESSION}/rating", views.RatingView.as_view(), name="session-rating"),
    path("conversations", views.ConversationsView.as_view(), name="conversations"),
    path(CONVERSATION, views.ConversationView.as_view(), name="conversation"),
    path(f"{CONVERSATION}/messages", views.MessagesView.as_view(), name="conversation-messages"),
    path(f"{CONVERSATION}/take_over", views.TakeOverView.as_view(), name="take-over"),
    path(f"{CONVERSATION}/hand_back", views.HandBackView.as_view(), name="hand-back"),
    path("usage", views.UsageView.as_view(), name="usage"),
]
