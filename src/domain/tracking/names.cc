#include <iterator>

#include "domain/tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr const char* kAdjectives[] = {
    "amber",   "arctic",  "brave",   "breezy", "bright",   "brisk",    "calm",     "candid",
    "clever",  "copper",  "coral",   "cosmic", "crimson",  "dapper",   "daring",   "deft",
    "eager",   "early",   "earnest", "fabled", "fearless", "fleet",    "floating", "fond",
    "gentle",  "gilded",  "glowing", "golden", "hardy",    "hazel",    "honest",   "humble",
    "indigo",  "ivory",   "jolly",   "keen",   "lively",   "lucid",    "lunar",    "mellow",
    "mighty",  "misty",   "nimble",  "noble",  "northern", "patient",  "placid",   "plucky",
    "polar",   "prompt",  "proud",   "quick",  "quiet",    "ready",    "rolling",  "rustic",
    "salty",   "sandy",   "silver",  "smooth", "solar",    "southern", "spry",     "steady",
    "stellar", "sturdy",  "sunny",   "swift",  "tidal",    "tidy",     "velvet",   "vivid",
    "warm",    "western", "windy",   "wise",   "witty",    "zesty",
};
constexpr const char* kNouns[] = {
    "anchor",  "auk",      "barge",    "beacon",    "bosun",    "brig",    "buoy",    "canoe",
    "capstan", "clipper",  "compass",  "cormorant", "corvette", "cove",    "current", "cutter",
    "delta",   "dinghy",   "dolphin",  "eddy",      "eider",    "ferry",   "fjord",   "frigate",
    "galleon", "gannet",   "gull",     "halyard",   "harbour",  "hawser",  "heron",   "inlet",
    "jetty",   "kayak",    "keel",     "ketch",     "lagoon",   "lantern", "lugger",  "mariner",
    "mast",    "narwhal",  "oar",      "osprey",    "otter",    "paddle",  "pelican", "petrel",
    "pilot",   "plover",   "porpoise", "puffin",    "quay",     "raft",    "reef",    "rudder",
    "sail",    "schooner", "seal",     "sextant",   "shoal",    "skiff",   "sloop",   "spinnaker",
    "strait",  "tern",     "tiller",   "trawler",   "tug",      "walrus",  "wharf",   "yawl",
};

}  // namespace

std::string random_run_name(std::uint64_t bits) {
  const char* adjective = kAdjectives[bits % std::size(kAdjectives)];
  bits /= std::size(kAdjectives);
  const char* noun = kNouns[bits % std::size(kNouns)];
  bits /= std::size(kNouns);
  return std::string(adjective) + "-" + noun + "-" + std::to_string(bits % 1000);
}

}  // namespace slipway::tracking
