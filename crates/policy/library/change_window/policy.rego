# Changes are made at times when somebody is there.
#
# Judges the time of the run by weekday and hour, at an offset from UTC. Where the time is not known, nothing passes; a
# plan that changes nothing does.
package statehouse.change_window

import rego.v1

import data.statehouse.plan

deny contains {"msg": sprintf("it is %s, %02d:%02d; changes are made on %s from %v to %v o'clock", [weekday, clock[0], clock[1], concat(", ", window.days), window.hour_from, window.hour_to])} if {
	changes_something
	not is_within
}

deny contains {"msg": "the time of the run is not known; nothing is changed at an unknown time"} if {
	changes_something
	not input.request.timestamp_ns
}

window := data.parameters.change_window

local := input.request.timestamp_ns + ((window.offset_hours * 3600) * 1000000000)

weekday := time.weekday(local)

clock := time.clock(local)

is_within if {
	weekday in window.days
	clock[0] >= window.hour_from
	clock[0] < window.hour_to
}

changes_something if count(plan.made) > 0

changes_something if count(plan.destroyed) > 0
