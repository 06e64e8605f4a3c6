#include "domain/serving/prediction_file.h"

#include "io/blob/journal.h"

namespace slipway::serving {
namespace {

constexpr char kKind[] = "predictions";

class PredictionFile {
 public:
  PredictionFile(const std::filesystem::path& path, const std::string& deployment,
                 const VisitPrediction& visit)
      : path_(path), reader_(deployment), visit_(visit) {}

  Result<PredictionFileEnd> read() {
    const blob::JournalVisitor visitor{[this](std::string_view payload) { return take(payload); },
                                       [this](const blob::Damage& damage) {
                                         end_.loss.add(damage.at, damage.frames);
                                         reader_.miss();
                                       }};
    Result<blob::JournalEnd> read = blob::read_journal(path_, kKind, visitor);
    if (!read.ok() && read.error().code != Code::kInvalid) return read.error();
    if (read.ok()) end_.torn = read->torn;
    // Nothing in it says how much was lost.
    if (!read.ok()) end_.loss.add(0, 0);
    return end_;
  }

 private:
  bool take(std::string_view payload) {
    Result<std::optional<Prediction>> prediction = reader_.read(payload);
    if (!prediction.ok() && prediction.error().code == Code::kMissing && !looked_ahead_) {
      look_ahead();
      prediction = reader_.read(payload);
    }
    if (!prediction.ok()) {
      if (end_.loss.places == 0) end_.loss.places = 1;
      ++end_.loss.frames;
      return true;
    }
    if (*prediction) end_.ended_early = !visit_(**prediction, reader_.layout());
    return !end_.ended_early;
  }

  /// A layout that was lost stands in the file again.
  void look_ahead() {
    looked_ahead_ = true;
    (void)blob::read_journal(path_, kKind, {[this](std::string_view payload) {
                               reader_.look_ahead(payload);
                               return true;
                             }});
  }

  const std::filesystem::path& path_;
  FrameReader reader_;
  const VisitPrediction& visit_;
  PredictionFileEnd end_;
  bool looked_ahead_ = false;
};

}  // namespace

Result<PredictionFileEnd> read_prediction_file(const std::filesystem::path& path,
                                               const std::string& deployment,
                                               const VisitPrediction& visit,
                                               blob::Damages* damages) {
  const PredictionFileEnd end = TRY(PredictionFile(path, deployment, visit).read());
  blob::tell_loss(damages, path, kKind, end.loss);
  return end;
}

Result<std::optional<FileSummary>> summary_of(const std::filesystem::path& path) {
  return read_summary(TRY(blob::read_last_frame(path, kKind, kSummaryBytes)));
}

}  // namespace slipway::serving
