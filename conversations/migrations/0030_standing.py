import django.db.models.deletion
from django.db import migrations, models

# What consoles show of a conversation beside its messages: whether it is resolved, its tags, its ratings.
# The numbers have a table of their own, as an index of conversations would be written with every callback.
NOTE_STANDING = """
CREATE FUNCTION conversations_note_standing() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    whose bigint;
BEGIN
    IF TG_TABLE_NAME = 'conversations_conversation' THEN
        whose := NEW.id;
    ELSE
        whose := NEW.conversation_id;
    END IF;
    INSERT INTO conversations_standing (conversation_id, change)
         VALUES (whose, nextval('conversations_change'))
             ON CONFLICT (conversation_id) DO UPDATE SET change = EXCLUDED.change;
    RETURN NULL;
END
$$;
CREATE FUNCTION conversations_note_untagged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Never inserted: the conversation may be about to be deleted.
    UPDATE conversations_standing SET change = nextval('conversations_change')
     WHERE conversation_id = OLD.conversation_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_standing AFTER UPDATE OF resolved_at ON conversations_conversation
    FOR EACH ROW WHEN (OLD.resolved_at IS DISTINCT FROM NEW.resolved_at)
    EXECUTE FUNCTION conversations_note_standing();
CREATE TRIGGER note_standing AFTER INSERT ON conversations_conversation_tags
    FOR EACH ROW EXECUTE FUNCTION conversations_note_standing();
CREATE TRIGGER note_untagged AFTER DELETE ON conversations_conversation_tags
    FOR EACH ROW EXECUTE FUNCTION conversations_note_untagged();
CREATE TRIGGER note_standing AFTER INSERT ON conversations_rating
    FOR EACH ROW EXECUTE FUNCTION conversations_note_standing();
INSERT INTO conversations_standing (conversation_id, change)
     SELECT DISTINCT conversation_id, 0 FROM conversations_conversation_tags;
"""
FORGET_STANDING = """
DROP TRIGGER note_standing ON conversations_rating;
DROP TRIGGER note_untagged ON conversations_conversation_tags;
DROP TRIGGER note_standing ON conversations_conversation_tags;
DROP TRIGGER note_standing ON conversations_conversation;
DROP FUNCTION conversations_note_untagged();
DROP FUNCTION conversations_note_standing();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0029_handoff_by_rule"),
    ]

    operations = [
        migrations.CreateModel(
            name="Standing",
            fields=[
                (
                    "conversation",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="standing",
                        serialize=False,
                        to="conversations.conversation",
                    ),
                ),
                ("change", models.BigIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["change"], name="standing_change")],
            },
        ),
        migrations.RunSQL(NOTE_STANDING, FORGET_STANDING),
    ]
