"""The database itself refuses to change what the record says, and to delete from it without being told so."""

from django.db import migrations

_FORWARD = """
CREATE FUNCTION audit_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('hearthline.audit_purge', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit entries are never changed';
END $$;
CREATE TRIGGER audit_entry_stays BEFORE UPDATE OR DELETE ON households_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_entry_stays();
"""
_BACK = """
DROP TRIGGER audit_entry_stays ON households_auditentry;
DROP FUNCTION audit_entry_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("households", "0005_people_and_audit")]

    operations = [migrations.RunSQL(_FORWARD, _BACK)]
