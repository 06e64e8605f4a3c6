#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "base/ids.h"
#include "domain/access/password.h"
#include "domain/access/people.h"
#include "domain/access/rights.h"
#include "domain/access/store.h"
#include "domain/access/throttle.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::access {
namespace {

using enum Level;

constexpr ScryptCost kCheap{16, 8, 1};

// ---- rights

TEST(Rights, OfNobodyInParticularAreTheDefault) {
  const Rights none;
  EXPECT_EQ(none.level(Kind::kExperiment, "1", kRead), kRead);
  EXPECT_TRUE(none.has_everywhere(Kind::kModel, kRead, kRead));
  EXPECT_FALSE(none.has_everywhere(Kind::kModel, kEdit, kRead));
}

TEST(Rights, OfSeveralGrantsTheHighestCounts) {
  Rights rights;
  rights.add({Kind::kExperiment, "1", kRead});
  rights.add({Kind::kExperiment, "1", kManage});
  rights.add({Kind::kExperiment, "1", kEdit});
  EXPECT_EQ(rights.level(Kind::kExperiment, "1", kNone), kManage);
  EXPECT_EQ(rights.level(Kind::kModel, "1", kNone), kNone);
  rights.add({Kind::kExperiment, kEvery, kUse});
  EXPECT_EQ(rights.level(Kind::kExperiment, "2", kNone), kUse);
  EXPECT_EQ(rights.level(Kind::kExperiment, "1", kNone), kManage);
}

TEST(Rights, ADenialBeatsEveryGrant) {
  Rights rights;
  rights.add({Kind::kModel, "churn", kManage});
  rights.add({Kind::kModel, "churn", kDeny});
  EXPECT_EQ(rights.level(Kind::kModel, "churn", kManage), kDeny);
  Rights others;
  others.add({Kind::kModel, kEvery, kDeny});
  others.add({Kind::kModel, "churn", kManage});
  EXPECT_EQ(others.level(Kind::kModel, "churn", kManage), kDeny);
}

TEST(Rights, WithLessThanTheDefaultOnOneThingAreNotEverywhere) {
  Rights rights;
  rights.add({Kind::kExperiment, "7", kNone});
  EXPECT_FALSE(rights.has_everywhere(Kind::kExperiment, kRead, kRead));
  const Rights::Reach reach = rights.reach(Kind::kExperiment, kRead, kRead);
  EXPECT_TRUE(reach.all_but);
  EXPECT_EQ(reach.names, std::vector<std::string>{"7"});
}

TEST(Rights, WithoutADefaultReachWhatIsGranted) {
  Rights rights;
  rights.add({Kind::kModel, "a", kRead});
  rights.add({Kind::kModel, "b", kNone});
  const Rights::Reach reach = rights.reach(Kind::kModel, kRead, kNone);
  EXPECT_FALSE(reach.all_but);
  EXPECT_EQ(reach.names, std::vector<std::string>{"a"});
}

/// The reach, found the slow way, for every combination of a few grants.
TEST(Rights, ReachIsWhatTheLevelsOfAllThingsSay) {
  const std::vector<std::string> things = {"a", "b", "c"};
  const std::vector<std::optional<Level>> levels = {std::nullopt, kDeny, kNone, kRead, kEdit};
  for (const Level fallback : {kNone, kRead, kManage}) {
    for (const auto& every : levels) {
      for (const auto& one : levels) {
        for (const auto& two : levels) {
          Rights rights;
          if (every) rights.add({Kind::kModel, kEvery, *every});
          if (one) rights.add({Kind::kModel, "a", *one});
          if (two) rights.add({Kind::kModel, "b", *two});
          const Rights::Reach reach = rights.reach(Kind::kModel, kRead, fallback);
          for (const std::string& thing : things) {
            const bool named =
                std::find(reach.names.begin(), reach.names.end(), thing) != reach.names.end();
            EXPECT_EQ(reach.all_but != named,
                      suffices(rights.level(Kind::kModel, thing, fallback), kRead));
          }
        }
      }
    }
  }
}

TEST(Names, ThatAClientCannotSendOrThatAreTakenAreRefused) {
  for (const char* name : {"", "a:b", "a/b", " a", "a\n", "owner", "slipway", "\xff"}) {
    EXPECT_FALSE(check_person_name(name).ok()) << name;
  }
  EXPECT_TRUE(check_person_name("Ann.Ä-7@example.org").ok());
  EXPECT_FALSE(check_person_name(std::string(101, 'a')).ok());
}

TEST(Password, IsAtLeastTwelveCharacters) {
  EXPECT_FALSE(check_password("eleven-char").ok());
  EXPECT_TRUE(check_password("twelve-chars").ok());
  EXPECT_FALSE(check_password(std::string(1025, 'a')).ok());
}

// ---- passwords

TEST(Password, IsStoredAsAKeyThatOnlyItGives) {
  const std::string stored = hash_password("correct horse", kCheap);
  EXPECT_TRUE(stored.starts_with("scrypt$4$8$1$"));
  EXPECT_TRUE(is_password("correct horse", stored));
  EXPECT_FALSE(is_password("correct horsf", stored));
  EXPECT_NE(hash_password("correct horse", kCheap), stored);
  for (const char* text : {"", "scrypt$4$8$1$$", "scrypt$99$8$1$AAAA$AAAA", "plain"}) {
    EXPECT_FALSE(is_password("", text)) << text;
  }
}

/// RFC 7914, section 12.
TEST(Password, IsKeyedByScryptAsTheStandardHasIt) {
  const auto key = scrypt("password", "NaCl", {1024, 8, 16}, 64);
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(std::as_bytes(std::span(*key))).substr(0, 32),
            "fdbabe1c9d3472007856e7190d01e9fe");
}

TEST(Throttle, LetsNobodyGuessOnAndForgetsAfterAMinute) {
  Throttle throttle;
  UnixMs now = 1'000'000;
  for (int i = 0; i < Throttle::kPairMax; ++i) {
    EXPECT_TRUE(throttle.may_try("ann", "192.0.2.1", now));
    throttle.failed("ann", "192.0.2.1", now);
  }
  EXPECT_FALSE(throttle.may_try("ann", "192.0.2.1", now));
  EXPECT_TRUE(throttle.may_try("ann", "192.0.2.2", now));
  EXPECT_TRUE(throttle.may_try("ben", "192.0.2.1", now));
  now += Throttle::kWindowMs;
  EXPECT_TRUE(throttle.may_try("ann", "192.0.2.1", now));
}

TEST(Throttle, CountsAnAddressThatTriesManyNamesAndANameFromManyAddresses) {
  Throttle throttle;
  for (int i = 0; i < Throttle::kAddressMax; ++i) {
    throttle.failed("user" + std::to_string(i), "192.0.2.1", 5);
  }
  EXPECT_FALSE(throttle.may_try("anybody", "192.0.2.1", 6));
  for (int i = 0; i < Throttle::kNameMax; ++i) {
    throttle.failed("ann", "198.51.100." + std::to_string(i), 5);
  }
  EXPECT_FALSE(throttle.may_try("ann", "203.0.113.9", 6));
}

TEST(KnownPasswords, AreForgottenWithTimeAndWithTheNextPassword) {
  KnownPasswords known;
  known.learn("ann", "secret", 1, 1000);
  EXPECT_TRUE(known.knows("ann", "secret", 1, 1000));
  EXPECT_FALSE(known.knows("ann", "Secret", 1, 1000));
  EXPECT_FALSE(known.knows("ben", "secret", 1, 1000));
  EXPECT_FALSE(known.knows("ann", "secret", 2, 1000));
  known.learn("ann", "secret", 1, 1000);
  EXPECT_FALSE(known.knows("ann", "secret", 1, 1000 + KnownPasswords::kLifeMs));
}

TEST(KnownPasswords, HaveABound) {
  KnownPasswords known;
  for (std::size_t i = 0; i < KnownPasswords::kEntriesMax + 10; ++i) {
    known.learn("user" + std::to_string(i), "secret", 1, 1000);
    ASSERT_LE(known.size(), KnownPasswords::kEntriesMax);
  }
}

// ---- people

class PeopleTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(db::joined({graph::migrations(), migrations()}));
    people_ = opened();
    ASSERT_TRUE(people_->create("owner", "root", "root-password", true).ok());
  }
  void TearDown() override {
    people_.reset();
    pool_.reset();
  }
  std::unique_ptr<People> opened() {
    return std::move(People::open(*pool_, clock_, clock_, metrics(), {kCheap})).value();
  }
  void add(const std::string& name) {
    const auto made = people_->create("root", name, name + "-password", false);
    ASSERT_TRUE(made.ok()) << made.error().message;
  }
  Result<> grant(const std::string& name, const Grant& grant) {
    return people_->change("root",
                           [&](db::Tx& tx, const By& by) { return grant_to(tx, by, name, grant); });
  }
  std::vector<graph::LoggedEvent> log() {
    auto read = pool_->read([](db::Tx& tx) { return graph::events_after(tx, 0, 1000); });
    EXPECT_TRUE(read.ok());
    return std::move(*read);
  }
  std::vector<std::string> events() {
    std::vector<std::string> types;
    for (const graph::LoggedEvent& logged : log()) {
      types.push_back(logged.event.type + " " + logged.event.subject.id + " by " +
                      logged.event.actor);
    }
    return types;
  }

  FakeClock clock_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<People> people_;
};
INSTANTIATE_TEST_SUITE_P(Engines, PeopleTest, db::every_engine(), db::engine_name);

TEST_P(PeopleTest, TheFirstIsAnAdministrator) {
  ASSERT_TRUE(pool_
                  ->write([](db::Tx& tx) -> Result<> {
                    TRY(tx.run("delete from role_members"));
                    TRY(tx.run("delete from people"));
                    return {};
                  })
                  .ok());
  EXPECT_EQ(people_->create("owner", "ann", "ann-password-1", false).error().code, Code::kInvalid);
  EXPECT_TRUE(people_->create("owner", "ann", "ann-password-1", true).ok());
}

TEST_P(PeopleTest, ShowAPasswordOnceAndAreKnownThen) {
  add("ann");
  EXPECT_FALSE(people_->by_known_password("ann", "ann-password"));
  const auto known = people_->by_password("ann", "ann-password", "192.0.2.1");
  ASSERT_TRUE(known.ok()) << known.error().message;
  EXPECT_EQ(known->name, "ann");
  EXPECT_FALSE(known->admin);
  EXPECT_TRUE(people_->by_known_password("ann", "ann-password"));
  clock_.advance(std::chrono::milliseconds(KnownPasswords::kLifeMs));
  EXPECT_FALSE(people_->by_known_password("ann", "ann-password"));
}

TEST_P(PeopleTest, WithAWrongPasswordAreNobodyAsOnesThatDoNotExist) {
  add("ann");
  const auto wrong = people_->by_password("ann", "another-password", "192.0.2.1");
  const auto nobody = people_->by_password("eve", "another-password", "192.0.2.1");
  ASSERT_FALSE(wrong.ok());
  ASSERT_FALSE(nobody.ok());
  EXPECT_EQ(wrong.error().tag, "unauthenticated");
  EXPECT_EQ(wrong.error().message, nobody.error().message);
}

TEST_P(PeopleTest, ThatFailTooOftenAreNotLookedAtForAWhile) {
  add("ann");
  for (int i = 0; i < Throttle::kPairMax; ++i) {
    (void)people_->by_password("ann", "another-password", "192.0.2.1");
  }
  EXPECT_EQ(people_->by_password("ann", "ann-password", "192.0.2.1").error().code, Code::kBusy);
  EXPECT_TRUE(people_->by_password("ann", "ann-password", "192.0.2.2").ok());
}

TEST_P(PeopleTest, WithAnotherPasswordAreNotKnownByTheOldOne) {
  add("ann");
  ASSERT_TRUE(people_->by_password("ann", "ann-password", "").ok());
  const auto session = people_->log_in("ann", "ann-password", "");
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE(people_->by_token(session->secret));
  ASSERT_TRUE(people_->set_password("root", "ann", "new-password-1").ok());
  EXPECT_FALSE(people_->by_known_password("ann", "ann-password"));
  EXPECT_FALSE(people_->by_token(session->secret));
  EXPECT_FALSE(people_->by_password("ann", "ann-password", "").ok());
  EXPECT_TRUE(people_->by_password("ann", "new-password-1", "").ok());
}

TEST_P(PeopleTest, AreKnownByATokenUntilItExpiresOrIsRevoked) {
  add("ann");
  const auto made = people_->create_token(
      "ann", {"ann", "nightly", Scope::kRead, clock_.now_ms() + 1000, "", false});
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_TRUE(made->secret.starts_with(People::kTokenPrefix));
  EXPECT_EQ(made->row.hash.find(made->secret), std::string::npos);
  const auto known = people_->by_token(made->secret);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->name, "ann");
  EXPECT_EQ(known->scope, Scope::kRead);
  EXPECT_FALSE(people_->by_token(made->secret + "0"));
  EXPECT_FALSE(people_->by_token_surely("slipway-token-00").ok());
  clock_.advance(std::chrono::milliseconds(1000));
  EXPECT_FALSE(people_->by_token(made->secret));

  const auto lasting = people_->create_token("ann", {"ann", "ci", Scope::kAll, 0, "", false});
  ASSERT_TRUE(people_->by_token(lasting->secret));
  const auto revoke = [&](const std::string& person) {
    return people_->change("ann", [&](db::Tx& tx, const By& by) {
      return revoke_token(tx, by, lasting->row.id, person);
    });
  };
  EXPECT_EQ(revoke("root").error().code, Code::kMissing);
  EXPECT_TRUE(revoke("ann").ok());
  EXPECT_FALSE(people_->by_token(lasting->secret));
}

TEST_P(PeopleTest, OfAnotherServerOnTheSameCatalogueAreTakenIn) {
  const std::unique_ptr<People> other = opened();
  add("ann");
  const auto token = people_->create_token("ann", {"ann", "t", Scope::kAll, 0, "", false});
  EXPECT_FALSE(other->by_token(token->secret));
  EXPECT_TRUE(other->by_token_surely(token->secret).ok());
  ASSERT_TRUE(grant("ann", {Kind::kExperiment, "3", kEdit}).ok());
  EXPECT_EQ(other->level("ann", Kind::kExperiment, "3"), kRead);
  ASSERT_TRUE(other->refresh().ok());
  EXPECT_EQ(other->level("ann", Kind::kExperiment, "3"), kEdit);
}

TEST_P(PeopleTest, MayWhatTheirRolesAndTheirOwnGrantsSay) {
  add("ann");
  ASSERT_TRUE(grant("ann", {Kind::kExperiment, "3", kEdit}).ok());
  const auto role = people_->change("root", [](db::Tx& tx, const By& by) -> Result<RoleRow> {
    RoleRow made = TRY(create_role(tx, by, "reviewers", "who look"));
    TRY(add_grant(tx, by, made.id, {Kind::kModel, kEvery, kManage}));
    TRY(assign_role(tx, by, made.id, "ann"));
    return made;
  });
  ASSERT_TRUE(role.ok()) << role.error().message;
  EXPECT_EQ(people_->level("ann", Kind::kExperiment, "3"), kEdit);
  EXPECT_EQ(people_->level("ann", Kind::kExperiment, "4"), kRead);
  EXPECT_EQ(people_->level("ann", Kind::kModel, "any"), kManage);
  EXPECT_EQ(people_->level("eve", Kind::kModel, "any"), kNone);
  EXPECT_EQ(people_->level("root", Kind::kExperiment, "4"), kManage);
  ASSERT_TRUE(
      people_
          ->change("root", [&](db::Tx& tx, const By& by) { return delete_role(tx, by, role->id); })
          .ok());
  EXPECT_EQ(people_->level("ann", Kind::kModel, "any"), kRead);
  ASSERT_TRUE(people_
                  ->change("root", [](db::Tx& tx,
                                      const By& by) { return set_default_level(tx, by, kNone); })
                  .ok());
  EXPECT_EQ(people_->level("ann", Kind::kModel, "any"), kNone);
}

TEST_P(PeopleTest, ManageWhatTheyMakeAndLoseItWithAModel) {
  add("ann");
  ASSERT_TRUE(
      pool_->write([&](db::Tx& tx) {
             return grant_to_maker(tx, {"ann", 1}, Kind::kModel, "churn");
           })
          .ok());
  people_->note_maker("ann", Kind::kModel, "churn");
  EXPECT_EQ(people_->level("ann", Kind::kModel, "churn"), kManage);
  ASSERT_TRUE(pool_->write([](db::Tx& tx) { return rename_model(tx, "churn", "leaving"); }).ok());
  ASSERT_TRUE(people_->refresh().ok());
  EXPECT_EQ(people_->level("ann", Kind::kModel, "churn"), kRead);
  EXPECT_EQ(people_->level("ann", Kind::kModel, "leaving"), kManage);
  ASSERT_TRUE(pool_->write([](db::Tx& tx) { return forget_model(tx, "leaving"); }).ok());
  ASSERT_TRUE(people_->refresh().ok());
  EXPECT_EQ(people_->level("ann", Kind::kModel, "leaving"), kRead);
  // An attempt, or nobody, is given nothing.
  EXPECT_TRUE(pool_
                  ->write([](db::Tx& tx) {
                    return grant_to_maker(tx, {"attempt:1", 1}, Kind::kModel, "m");
                  })
                  .ok());
}

TEST_P(PeopleTest, KeepOneAdministrator) {
  add("ann");
  const auto demote = [&](const std::string& name) {
    return people_->change(
        "root", [&](db::Tx& tx, const By& by) { return set_admin(tx, by, name, false); });
  };
  EXPECT_EQ(demote("root").error().code, Code::kDenied);
  EXPECT_EQ(
      people_
          ->change("root", [](db::Tx& tx, const By& by) { return delete_person(tx, by, "root"); })
          .error()
          .code,
      Code::kDenied);
  ASSERT_TRUE(
      people_
          ->change("root", [](db::Tx& tx, const By& by) { return set_admin(tx, by, "ann", true); })
          .ok());
  EXPECT_TRUE(demote("root").ok());
}

TEST_P(PeopleTest, ThatAreDeletedAreNobodyAndLeaveNothing) {
  add("ann");
  const auto token = people_->create_token("ann", {"ann", "t", Scope::kAll, 0, "", false});
  ASSERT_TRUE(grant("ann", {Kind::kExperiment, "3", kEdit}).ok());
  ASSERT_TRUE(
      people_->change("root", [](db::Tx& tx, const By& by) { return delete_person(tx, by, "ann"); })
          .ok());
  EXPECT_FALSE(people_->by_token(token->secret));
  EXPECT_EQ(people_->is_admin("ann"), std::nullopt);
  add("ann");
  EXPECT_EQ(people_->level("ann", Kind::kExperiment, "3"), kRead);
}

TEST_P(PeopleTest, AreToldOfInTheLogWithWhoDidWhat) {
  add("ann");
  ASSERT_TRUE(grant("ann", {Kind::kExperiment, "3", kEdit}).ok());
  const auto token = people_->create_token("ann", {"ann", "ci", Scope::kAll, 0, "", false});
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(events(), (std::vector<std::string>{
                          "user.created root by owner", "user.created ann by root",
                          "permission.granted ann by root", "token.created ann by ann"}));
  for (const graph::LoggedEvent& logged : log()) {
    const std::string data = wire::dump(logged.event.data);
    EXPECT_EQ(data.find(token->secret), std::string::npos);
    EXPECT_EQ(data.find("scrypt"), std::string::npos);
  }
}

TEST_P(PeopleTest, WithANameThatIsTakenAreAConflict) {
  add("ann");
  const auto again = people_->create("root", "ann", "ann-password", false);
  EXPECT_EQ(again.error().tag, "already_exists");
}

}  // namespace
}  // namespace slipway::access
