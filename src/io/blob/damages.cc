#include "io/blob/damages.h"

#include <algorithm>

#include "base/log.h"

namespace slipway::blob {
namespace {

void warn(const std::filesystem::path& file, std::string_view kind, const Loss& loss) {
  log_warning("a journal is damaged: what can be read of it is used",
              {{"file", file.string()},
               {"kind", kind},
               {"at", loss.first_at},
               {"places", loss.places},
               {"frames_lost", loss.frames}});
}

}  // namespace

Damages::Damages(Metrics& metrics)
    : places_(metrics.counter("slipway_journal_damages_total",
                              "Places in journals that cannot be read.")),
      frames_(metrics.counter("slipway_journal_frames_lost_total",
                              "Answers, labels and facts that damaged journals have lost.")) {}

void Damages::tell(const std::filesystem::path& file, std::string_view kind, const Loss& loss) {
  if (loss.places == 0) return;
  // A reading that ended early saw less than one before.
  Loss more;
  told_.with([&](std::map<std::string, Loss>& told) {
    if (told.size() >= kFilesMax && !told.contains(file.string())) told.clear();
    Loss& known = told[file.string()];
    more.places = loss.places - std::min(loss.places, known.places);
    more.frames = loss.frames - std::min(loss.frames, known.frames);
    known = {std::max(loss.places, known.places), loss.first_at,
             std::max(loss.frames, known.frames)};
  });
  if (more.places == 0 && more.frames == 0) return;
  warn(file, kind, loss);
  places_.add(static_cast<double>(more.places));
  frames_.add(static_cast<double>(more.frames));
}

void tell_loss(Damages* damages, const std::filesystem::path& file, std::string_view kind,
               const Loss& loss) {
  if (damages != nullptr) return damages->tell(file, kind, loss);
  if (loss.places > 0) warn(file, kind, loss);
}

}  // namespace slipway::blob
