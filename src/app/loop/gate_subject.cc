#include "app/loop/gate_subject.h"

namespace slipway::app {
namespace {

constexpr std::uint64_t kMlModelBytesMax = 4u << 20;
constexpr std::uint64_t kFileBytesMax = std::uint64_t{2} << 30;
constexpr std::uint64_t kGoldenBytesMax = std::uint64_t{512} << 20;

template <class T>
Result<const T*> borrowed(const Result<std::unique_ptr<T>>& kept) {
  if (!kept.ok()) return kept.error();
  return static_cast<const T*>(kept->get());
}

Result<std::unique_ptr<engine::MlModel>> read_mlmodel(const VersionFolder& folder) {
  const std::string text = TRY(folder.read("MLmodel", kMlModelBytesMax));
  return std::make_unique<engine::MlModel>(TRY(engine::read_mlmodel(text)));
}

Result<std::unique_ptr<delivery::GoldenRows>> read_golden(const VersionFolder& folder) {
  Result<std::string> text = folder.read(delivery::kGoldenFile, kGoldenBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing)
    return std::unique_ptr<delivery::GoldenRows>();
  if (!text.ok()) return text.error();
  return std::make_unique<delivery::GoldenRows>(TRY(delivery::parse_golden(*text)));
}

}  // namespace

Result<const engine::MlModel*> GateSubject::mlmodel() {
  if (!mlmodel_) mlmodel_.emplace(read_mlmodel(folder_));
  return borrowed(*mlmodel_);
}

Result<const engine::Model*> GateSubject::engine() {
  if (!engine_) {
    Result<const engine::MlModel*> described = mlmodel();
    if (!described.ok()) return described.error();
    engine_.emplace(engine::load_model(**described, [this](const std::string& path) {
      return folder_.read(path, kFileBytesMax);
    }));
  }
  return borrowed(*engine_);
}

Result<const delivery::GoldenRows*> GateSubject::golden() {
  if (!golden_) golden_.emplace(read_golden(folder_));
  return borrowed(*golden_);
}

}  // namespace slipway::app
