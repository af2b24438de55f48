import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

# A message's words under the number of its part: `PART_BITS` in `conversations.searching`.
WORDS_IN_PART = """
CREATE OR REPLACE FUNCTION conversations_words_in_part(message_id bigint, words tsvector) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(array_agg(to_hex(message_id >> 14) || ':' || word))
      FROM unnest(tsvector_to_array(words)) AS word
$$;
"""


class Migration(migrations.Migration):
    atomic = False  # or messages could not be indexed while it runs

    dependencies = [
        ("conversations", "0031_attachments"),
    ]

    operations = [
        migrations.RunSQL(WORDS_IN_PART, "DROP FUNCTION conversations_words_in_part(bigint, tsvector)"),
        AddIndexConcurrently(
            model_name="messagewords",
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    "message",
                    "words",
                    function="conversations_words_in_part",
                    output_field=django.contrib.postgres.search.SearchVectorField(),
                ),
                fastupdate=False,
                name="message_words_by_part",
            ),
        ),
        RemoveIndexConcurrently(model_name="messagewords", name="message_by_words"),
    ]
