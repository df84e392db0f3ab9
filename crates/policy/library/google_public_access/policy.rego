# Nothing is given to everybody.
#
# Judges every google_*_iam_member and google_*_iam_binding, and access lists of storage: allUsers and
# allAuthenticatedUsers. Members that are not known yet are not judged.
package statehouse.google_public_access

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("it gives %s to %s; name the members", [object.get(change.change.after, "role", "access"), member])) if {
	some type, changes in plan.made
	regex.match(`^google_.*_iam_(member|binding)$`, type)
	some change in changes
	some member in members(change.change.after)
	is_everybody(member)
}

deny contains plan.denial(change, sprintf("it gives access to %s; name the entities", [entity])) if {
	some type in ["google_storage_bucket_access_control", "google_storage_default_object_access_control", "google_storage_object_access_control"]
	some change in plan.made[type]
	entity := change.change.after.entity
	is_everybody(entity)
}

members(after) := array.concat([after.member | is_string(after.member)], [member | some member in plan.as_list(after.members)])

is_everybody(name) if name in {"allUsers", "allAuthenticatedUsers"}
