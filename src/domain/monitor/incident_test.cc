#include "domain/monitor/incident.h"

#include <gtest/gtest.h>

#include <random>

namespace slipway::monitor {
namespace {

using Kind = Step::Kind;

/// A life of windows, a week each: 'g' good, 'w' warn, 'b' bad, 'u' undecided.
class Life {
 public:
  explicit Life(int persist = 2) { s_.persist = persist; }

  Step judge(char status, const std::string& version = "1") {
    ++week_;
    s_.live = version;
    s_.windows.push_back({week_ * 100, (week_ + 1) * 100, version, status_of(status)});
    const Step step = next_step(s_);
    if (step.kind == Kind::kOpen)
      s_.open = OpenIncident{version, (week_ + 1) * 100, false, "", 0, 0};
    if (step.kind == Kind::kUnresolved && step.remedy_failed)
      s_.open = after(*s_.open, RemedyNews::kFailed, s_.open->remedy_version, 0);
    if (step.kind == Kind::kClose) {
      s_.open.reset();
      s_.windows.clear();
    }
    return step;
  }
  /// One window of two versions; `status` '\0' where there is none of the live one.
  Step judge_two(char of_other, const std::string& other, char status, const std::string& live) {
    ++week_;
    s_.live = live;
    s_.windows.push_back({week_ * 100, (week_ + 1) * 100, other, status_of(of_other)});
    if (status != '\0')
      s_.windows.push_back({week_ * 100, (week_ + 1) * 100, live, status_of(status)});
    return next_step(s_);
  }
  /// The kinds of what follows, a letter each: '.' none, 'O' open, 'U' unresolved, 'C' close.
  std::string judge_all(const std::string& statuses, const std::string& version = "1") {
    std::string kinds;
    for (const char status : statuses) kinds += letter(judge(status, version).kind);
    return kinds;
  }
  /// What later labels make of the newest window.
  Step restate(char status) {
    s_.windows.back().status = status_of(status);
    return next_step(s_);
  }
  /// So many windows of which nothing is kept.
  void pass(int windows) { week_ += windows; }
  void hear(RemedyNews news, const std::string& version) {
    s_.open = after(*s_.open, news, version, week_ * 100 + 50);
  }
  static char letter(Kind kind) {
    return kind == Kind::kNone ? '.' : kind == Kind::kOpen ? 'O' : kind == Kind::kClose ? 'C' : 'U';
  }

 private:
  static Status status_of(char c) {
    return c == 'g'   ? Status::kGood
           : c == 'w' ? Status::kWarn
           : c == 'b' ? Status::kBad
                      : Status::kUndecided;
  }
  Situation s_;
  UnixMs week_ = 0;
};

TEST(Incident, OpensWithTheSecondBadWindowInARow) {
  EXPECT_EQ(Life().judge_all("gbb"), "..O");
}

TEST(Incident, IsClosedWhereLaterLabelsMakeTheWindowGoodThatOpenedIt) {
  Life life;
  EXPECT_EQ(life.judge_all("gbb"), "..O");
  const Step step = life.restate('g');
  EXPECT_EQ(step.kind, Kind::kClose);
  EXPECT_EQ(step.remedy, "none");
  EXPECT_EQ(life.restate('b').kind, Kind::kUnresolved);
}

TEST(Incident, IsNotMadeByOneStorm) {
  EXPECT_EQ(Life().judge_all("ggbggbgbg"), ".........");
}

TEST(Incident, OpensAsSoonAsIsDeclared) {
  EXPECT_EQ(Life(1).judge_all("gb"), ".O");
  EXPECT_EQ(Life(3).judge_all("bbgbbb"), ".....O");
}

TEST(Incident, UndecidedWindowsAreNoEvidence) {
  EXPECT_EQ(Life().judge_all("uuuuu"), ".....");
  EXPECT_EQ(Life().judge_all("bubg"), "..O.");
}

TEST(Incident, ARowGoesOnOverAsManyUndecidedWindowsAsItNeedsBadOnes) {
  struct Case {
    int persist;
    const char *statuses, *kinds;
  };
  const Case cases[] = {
      {2, "bub", "..O"},
      {2, "buub", "...O"},
      {2, "buuub", "....."},
      {2, "buuubb", ".....O"},
      {2, "bubuub", "..O..U"},
      {3, "bubub", "....O"},
      {3, "buuubuuub", "........O"},
      {3, "buuuubb", "......."},
      {3, "bbuuuub", "......."},
      {3, "bbuuuubbb", "........O"},
      {1, "buuuub", "O....U"},
      // An incident that is open goes on, and what was good in between ends a row as ever.
      {2, "bbuuuub", ".O....U"},
      {2, "bbuuuugub", ".O......."},
      // So many undecided windows make no row of good ones.
      {2, "bbguuuug", ".O.....C"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(Life(c.persist).judge_all(c.statuses), c.kinds) << c.persist << " " << c.statuses;
}

TEST(Incident, WindowsInWhichNobodyWasAnsweredEndARowByTheirTime) {
  Life life;
  life.judge_all("bu");
  life.pass(3);
  EXPECT_EQ(life.judge('b').kind, Kind::kNone);
  life.pass(1);
  EXPECT_EQ(life.judge('b').bad_windows, 2);
}

TEST(Incident, ARemedyThatIsBadSeldomIsNotShownToFail) {
  Life life;
  life.judge_all("bb");
  life.hear(RemedyNews::kPromoted, "2");
  EXPECT_EQ(life.judge_all("buuuub", "2"), "......");
  EXPECT_TRUE(life.judge('b', "2").remedy_failed);
}

TEST(Incident, OpensOnceAndIsUnresolvedAsLongAsItIsBad) {
  EXPECT_EQ(Life().judge_all("bbbb"), ".OUU");
}

TEST(Incident, ClosesAfterTwoGoodWindowsInARow) {
  Life life;
  EXPECT_EQ(life.judge_all("bbgbg"), ".O...");
  const Step step = life.judge('g');
  EXPECT_EQ(step.kind, Kind::kClose);
  EXPECT_EQ(step.remedy, "none");
}

TEST(Incident, AWarningIsGoodEnough) {
  EXPECT_EQ(Life().judge_all("bbwg"), ".O.C");
}

TEST(Incident, OpensAnewAfterItWasClosed) {
  EXPECT_EQ(Life().judge_all("bbggbb"), ".O.C.O");
}

TEST(Incident, ClosesWithTheFirstGoodWindowOfItsRemedy) {
  Life life;
  life.judge_all("bb");
  life.hear(RemedyNews::kStarted, "2");
  EXPECT_EQ(life.judge_all("b"), ".") << "while a remedy is under way, it does not ask for another";
  life.hear(RemedyNews::kPromoted, "2");
  const Step step = life.judge('g', "2");
  EXPECT_EQ(step.kind, Kind::kClose);
  EXPECT_EQ(step.remedy, "promotion");
}

TEST(Incident, AGoodWindowOfItsRemedyEndsItThoughAnotherVersionIsLiveByThen) {
  struct Case {
    const char* what;
    const char* remedy;  // the window's status of version 2, which it asked for
    const char* other;   // of the one that is live, "" where it has no window
    const char* live;
    Kind kind;
  };
  const Case cases[] = {
      {"good, and the live one has no window", "g", "", "3", Kind::kClose},
      {"good, and the live one is undecided", "g", "u", "3", Kind::kClose},
      {"good, and the live one has a first bad window", "g", "b", "3", Kind::kClose},
      {"a warning", "w", "u", "3", Kind::kClose},
      {"live itself", "g", "", "2", Kind::kClose},
      {"bad", "b", "g", "3", Kind::kNone},
      {"undecided", "u", "g", "3", Kind::kNone},
      {"taken back: the first one is live again", "g", "b", "1", Kind::kUnresolved},
  };
  for (const Case& c : cases) {
    Life life;
    life.judge_all("bb");
    life.hear(RemedyNews::kPromoted, "2");
    const Step step = life.judge_two(*c.remedy, "2", *c.other, c.live);
    EXPECT_EQ(step.kind, c.kind) << c.what;
    if (c.kind != Kind::kClose) continue;
    EXPECT_EQ(step.remedy, "promotion") << c.what;
    EXPECT_EQ(step.version, "2") << c.what;
  }
}

TEST(Incident, AGoodWindowBeforeItsRemedyWasPromotedIsNone) {
  Life life;
  life.judge_all("bb");
  life.pass(2);
  life.hear(RemedyNews::kPromoted, "2");
  life.pass(-2);
  EXPECT_EQ(life.judge_two('g', "2", 'u', "3").kind, Kind::kNone);
  const Step second = life.judge_two('g', "2", 'u', "3");
  EXPECT_EQ(second.kind, Kind::kClose) << "answers may be about the past: two in a row are enough";
  EXPECT_EQ(second.remedy, "promotion");
}

TEST(Incident, IsUnresolvedWhenTheRemedyDoesNotHelp) {
  Life life;
  life.judge_all("bb");
  life.hear(RemedyNews::kPromoted, "2");
  EXPECT_EQ(life.judge_all("b", "2"), ".") << "one bad window may be a storm";
  const Step step = life.judge('b', "2");
  EXPECT_EQ(step.kind, Kind::kUnresolved);
  EXPECT_TRUE(step.remedy_failed);
}

TEST(Incident, IsUnresolvedWhileItsRemedyWaitsForAPerson) {
  Life life;
  life.judge_all("bb");
  life.hear(RemedyNews::kStarted, "2");
  EXPECT_EQ(life.judge_all("bu"), "..");
  life.hear(RemedyNews::kUndecided, "2");
  EXPECT_EQ(life.judge_all("bub"), "U.U") << "it has not failed: an undecided window says nothing";
  life.hear(RemedyNews::kStarted, "2");
  EXPECT_EQ(life.judge_all("b"), ".");
}

TEST(Incident, AsksAgainAfterAFailedRemedyEvenWhenNothingCanBeDecided) {
  Life life;
  life.judge_all("bb");
  EXPECT_EQ(life.judge_all("u"), ".");
  life.hear(RemedyNews::kStarted, "2");
  life.hear(RemedyNews::kFailed, "2");
  EXPECT_EQ(life.judge_all("u"), "U");
  EXPECT_EQ(life.judge_all("b"), "U");
}

TEST(Incident, AVersionThatItDidNotAskForHasToProveItselfTwice) {
  Life life;
  life.judge_all("bb");
  EXPECT_EQ(life.judge('g', "2").kind, Kind::kNone);
  const Step step = life.judge('g', "2");
  EXPECT_EQ(step.kind, Kind::kClose);
  EXPECT_EQ(step.remedy, "replacement");
}

TEST(Incident, ARemedyThatWasTakenBackIsNone) {
  Life life;
  life.judge_all("bb");
  life.hear(RemedyNews::kPromoted, "2");
  life.hear(RemedyNews::kFailed, "2");
  EXPECT_EQ(life.judge_all("b", "1"), "U");
}

TEST(Incident, BadWindowsOfTwoVersionsAreNotInARow) {
  Life life;
  EXPECT_EQ(life.judge('b', "1").kind, Kind::kNone);
  EXPECT_EQ(life.judge('b', "2").kind, Kind::kNone);
  EXPECT_EQ(life.judge('b', "2").kind, Kind::kOpen);
}

/// The rule in other words, over strings.
std::string naive(const std::string& statuses, int persist) {
  std::string kinds, since;
  bool open = false;
  int undecided = 0;
  for (const char status : statuses) {
    char kind = '.';
    undecided = status == 'u' ? undecided + 1 : 0;
    // Nothing is known of so long a time: neither good nor bad, it parts what is around it.
    if (undecided == persist + 1 && !open) since += '|';
    if (status != 'u') since += status == 'w' ? 'g' : status;
    const auto ends_with = [&](std::size_t n, char c) {
      return since.size() >= n && since.substr(since.size() - n) == std::string(n, c);
    };
    const bool bad = status == 'b' && ends_with(static_cast<std::size_t>(persist), 'b');
    if (bad) kind = open ? 'U' : 'O';
    if (open && (status == 'g' || status == 'w') && ends_with(2, 'g')) kind = 'C';
    if (kind == 'O') open = true;
    if (kind == 'C') {
      open = false;
      since.clear();
    }
    kinds += kind;
  }
  return kinds;
}

TEST(Incident, FollowsTheNaiveRuleOnRandomLives) {
  std::mt19937 random(7);
  for (int life = 0; life < 3000; ++life) {
    std::string statuses;
    for (unsigned i = 0; i < 1 + random() % 30; ++i) statuses += "gwbbu"[random() % 5];
    const int persist = 1 + static_cast<int>(random() % 3);
    ASSERT_EQ(Life(persist).judge_all(statuses), naive(statuses, persist)) << statuses;
  }
}

}  // namespace
}  // namespace slipway::monitor
