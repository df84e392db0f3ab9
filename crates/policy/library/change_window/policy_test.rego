package statehouse.change_window_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.change_window as policy

at(timestamp, changes) := object.union(changes, {"request": {"timestamp_ns": timestamp}})

made := fixture.made({"type": "t", "after": {}})

# Wednesday, 12:00 and 20:00 UTC; Saturday, 12:00.
noon := 1705492800000000000

evening := 1705521600000000000

saturday := 1705752000000000000

test_outside_of_the_window_is_denied if {
	some denial in policy.deny with input as at(evening, made)
	denial.msg == "it is Wednesday, 20:00; changes are made on Monday, Tuesday, Wednesday, Thursday from 7 to 16 o'clock"
	count(policy.deny) == 1 with input as at(saturday, made)
	count(policy.deny) == 1 with input as at(evening, fixture.destroyed({"type": "t", "after": {}}))
	count(policy.deny) == 1 with input as at(noon, made) with data.parameters.change_window as {"days": ["Wednesday"], "hour_from": 7, "hour_to": 16, "offset_hours": 5}
}

test_an_unknown_time_is_denied if count(policy.deny) == 1 with input as made

test_within_the_window_passes if {
	count(policy.deny) == 0 with input as at(noon, made)
	count(policy.deny) == 0 with input as at(saturday, fixture.left({"type": "t", "after": {}})) with data.parameters.change_window as {"days": ["Saturday"], "hour_from": 0, "hour_to": 24, "offset_hours": 0}
}

test_no_change_passes_at_any_time if {
	count(policy.deny) == 0 with input as at(saturday, {"resource_changes": []})
	count(policy.deny) == 0 with input as {"resource_changes": []}
}
