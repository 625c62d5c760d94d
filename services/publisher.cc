#include "services/publisher.h"

#include "platform/encoding.h"
#include "platform/logging.h"
#include "platform/users.h"
#include "services/generation_folder.h"
#include "services/publication.h"

namespace signet::services {
namespace {

// Looked up when files are to be written only: the user may come with the server's package.
Result<FileOwner> OwnerOf(const PublishedService& service) {
  FileOwner owner;
  owner.mode = service.file_mode;
  if (!service.owner.empty()) {
    SIGNET_TRY(const UserAccount user, FindUser(service.owner));
    owner.uid = user.uid;
  }
  const std::string& group = service.file_group.empty() ? service.group : service.file_group;
  if (!group.empty()) {
    SIGNET_TRY(owner.gid, FindGroup(group));
  } else if (!service.user.empty()) {
    SIGNET_TRY(const UserAccount user, FindUser(service.user));
    owner.gid = user.gid;
  }
  return owner;
}

Finding Failure(const PublishedService& service, const Error& error) {
  return {Severity::kError, "PUBLISH_FAILED",
          "the files of service " + EscapeLine(service.name, 128) + " are not up to date: " +
              error.ToString() + (error.remedy.empty() ? "" : ". " + error.remedy),
          ""};
}

}  // namespace

Publisher::Publisher(const keystore::Catalogue& catalogue, keystore::State& state,
                     FileSystem& files, std::vector<PublishedService> services,
                     PublishOptions options)
    : catalogue_(catalogue),
      state_(state),
      files_(files),
      services_(std::move(services)),
      options_(std::move(options)) {}

Status Publisher::PublishNow() { return PublishAll(*state_.Now(), true); }

Status Publisher::PublishAll(const keystore::Snapshot& snapshot, bool tidy) {
  const std::lock_guard work(work_);
  if (snapshot.revision < newest_) return Ok();
  newest_ = snapshot.revision;
  Status first = Ok();
  for (const PublishedService& service : services_) {
    Service known;
    {
      const std::lock_guard lock(mutex_);
      known = known_[service.name];
    }
    Status published = PublishOne(service, snapshot, tidy, known);
    if (published) {
      known.failure.reset();
    } else {
      Finding failure = Failure(service, published.error());
      const bool news = !known.failure || known.failure->text != failure.text;
      if (news) Log(LogLevel::kError, failure.id + ": " + failure.text);
      known.failure = std::move(failure);
      known.done.reset();
      if (first) first = std::move(published);
    }
    const std::lock_guard lock(mutex_);
    known_[service.name] = std::move(known);
  }
  return first;
}

Status Publisher::PublishOne(const PublishedService& service, const keystore::Snapshot& snapshot,
                             bool tidy, Service& known) {
  const Publication publication(catalogue_, service, options_, snapshot, digests_);
  if (publication.empty()) return Ok();
  const bool current = known.done && known.done->inputs == publication.inputs();
  const bool tidied = current && known.done->kept_keys == publication.kept_keys();
  if (current && (tidied || !tidy)) return Ok();

  SIGNET_TRY(const FileOwner owner, OwnerOf(service));
  GenerationFolder folder(files_, service.folder);
  SIGNET_TRY(folder.Prepare(owner));
  if (!current) {
    SIGNET_TRY(auto found, folder.Current());
    const bool equal =
        found && found->record.inputs == publication.inputs() && folder.IsIntact(*found, owner);
    if (!equal) {
      GenerationRecord record;
      record.inputs = publication.inputs();
      for (const auto& [purpose, key] : publication.keys())
        record.keys.push_back({{}, purpose, key});
      const auto write = [&](GenerationSink& sink) { return publication.Write(snapshot, sink); };
      SIGNET_TRY(found, folder.Add(std::move(record), owner, write));
      Log(LogLevel::kInfo, "the files of service " + service.name + " are published anew");
    }
    known.left_out.clear();
    for (const PublishedStore& store : found->record.stores) {
      for (const PublicationGap& gap : store.left_out)
        known.left_out.push_back({Severity::kWarning, gap.id, gap.text, gap.certificate});
    }
  }
  known.done = Done{publication.inputs(), {}};
  return tidy ? Tidy(folder, publication.kept_keys(), known) : Ok();
}

Status Publisher::Tidy(GenerationFolder& folder, const std::set<std::string>& kept_keys,
                       Service& known) {
  std::vector<std::string> foreign;
  SIGNET_TRY(folder.RemoveOld(kept_keys, foreign));
  known.foreign.clear();
  for (const std::string& path : foreign) {
    known.foreign.push_back({Severity::kInfo, "FOREIGN_FILES",
                             EscapeLine(path) + " holds files that Signet did not write, so it "
                                                "stays; remove it when nobody needs them",
                             ""});
  }
  known.done->kept_keys = kept_keys;
  return Ok();
}

std::vector<Finding> Publisher::Warnings() const {
  std::vector<Finding> warnings;
  const std::lock_guard lock(mutex_);
  for (const PublishedService& service : services_) {
    const auto at = known_.find(service.name);
    if (at == known_.end()) continue;
    const Service& known = at->second;
    if (known.failure) warnings.push_back(*known.failure);
    warnings.insert(warnings.end(), known.left_out.begin(), known.left_out.end());
    warnings.insert(warnings.end(), known.foreign.begin(), known.foreign.end());
  }
  return warnings;
}

}  // namespace signet::services
