from __future__ import annotations

from django.db import migrations

# A turn of a chat waits first; one of a call begins at once.
TURN = """
CREATE OR REPLACE FUNCTION webhooks_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'thinking' AND (OLD.id IS NULL OR OLD.state = 'waiting') THEN
        PERFORM webhooks_tell('turn.started', NEW.conversation_id, NEW.id);
    ELSIF NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL THEN
        PERFORM webhooks_tell('turn.ended', NEW.conversation_id, NEW.id);
    END IF;
    RETURN NULL;
END
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_webhooks")]

    operations = [
        migrations.RunSQL(
            TURN, TURN.replace("(OLD.id IS NULL OR OLD.state = 'waiting')", "OLD.state = 'waiting'")
        )
    ]
