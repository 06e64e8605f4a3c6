#include "io/blob/s3_xml.h"

#include <gtest/gtest.h>

namespace slipway::blob::s3 {
namespace {

TEST(Listing, IsReadWithItsFoldersAndWhereItGoesOn) {
  const Result<Listing> listing = parse_listing(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name><EncodingType>url</"
      "EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>1ueG&amp;cWI=</"
      "NextContinuationToken><Contents><Key>p/a+b%2Bc%C3%A9</Key><Size>5</Size><Owner><ID>x</ID>"
      "</Owner></Contents><CommonPrefixes><Prefix>p/sub/</Prefix></CommonPrefixes>"
      "</ListBucketResult>");
  ASSERT_TRUE(listing.ok()) << listing.error().message;
  ASSERT_EQ(listing->objects.size(), 1u);
  EXPECT_EQ(listing->objects[0].name, "p/a b+cé");
  EXPECT_EQ(listing->objects[0].bytes, 5u);
  EXPECT_EQ(listing->folders, std::vector<std::string>{"p/sub/"});
  EXPECT_EQ(listing->next, "1ueG&cWI=");
}

TEST(Listing, WithoutEscapesIsTakenAsItIs) {
  const Result<Listing> listing = parse_listing(
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a+b &lt;&#233;&#x1F600;"
      "<![CDATA[&]]></Key><Size>0</Size></Contents></ListBucketResult>");
  EXPECT_EQ(listing->objects.at(0).name, "a+b <é😀&");
  EXPECT_EQ(listing->next, "");
}

TEST(Xml, ThatIsBrokenIsRefused) {
  for (const char* text :
       {"", "<a>", "<a></b>", "<a>&x;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a/>x", "<a b='></a>",
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a><", "<a>&amp</a>", "<>x</>", "<a <b/></a>"}) {
    EXPECT_FALSE(parse_xml(text).ok()) << text;
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "<a>";
  EXPECT_FALSE(parse_xml(deep).ok());
}

TEST(Fault, SaysCodeAndMessageOnly) {
  const auto fault = parse_fault(
      "<Error><Code>SignatureDoesNotMatch</Code><Message>no match</Message><StringToSign>secret"
      "</StringToSign></Error>");
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->code, "SignatureDoesNotMatch");
  EXPECT_EQ(fault->message, "no match");
  EXPECT_FALSE(parse_fault("<html>oops</html>"));
  EXPECT_FALSE(parse_fault("gateway timeout"));
}

TEST(Xml, IsEscaped) {
  EXPECT_EQ(escape_xml("a<b>&\"'\n"), "a&lt;b&gt;&amp;&quot;&apos;&#10;");
}

}  // namespace
}  // namespace slipway::blob::s3
