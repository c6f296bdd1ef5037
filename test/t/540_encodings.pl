# Whatever the database's encoding, IO gets UTF-8: accents, the euro sign, and
# lengths counted as IO counts them.

use strict;
use warnings FATAL => 'all';
use utf8;

use lib 'test/t';

use Test::More;

use IoMsgTest;

my $io = start_sandbox();
my $node = iomsg_node('main', extension => 0);
my $accents = 'Perché la città è più bella: àèìòù ÀÈÉ ç ñ ß';
my $n = 0;

# Compares characters; what is printed when they differ are bytes of UTF-8.
sub same
{
	my ($got, $expected, $name) = @_;

	utf8::encode($_) foreach $got, $expected;
	return is($got, $expected, $name);
}

# Runs SQL, given in characters, over a connection of an encoding.
sub run_sql
{
	my ($db, $encoding, $sql) = @_;
	my $text = "SET client_encoding = '$encoding';\n$sql";

	utf8::encode($text) if $encoding eq 'UTF8';
	utf8::downgrade($text);
	my (undef, $out, $err) = $node->psql($db, $text, on_error_stop => 0);
	utf8::decode($err);
	return ($out, $err);
}

sub make_database
{
	my ($encoding) = @_;
	my $db = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0
		ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	$node->safe_psql($db, 'CREATE EXTENSION io_msg');
	add_service($node, 'tari', $io, database => $db);
	return $db;
}

# Sends a text in subject and body, returns what IO has of it.
sub arrived
{
	my ($db, $encoding, $text) = @_;
	my $cf = fiscal_code(++$n);
	my $body = $text . ' ' . 'x' x 80;
	my ($id, $err) = run_sql($db, $encoding, "SELECT io_enqueue_message('$cf', '$text', '$body')");

	return $err if $err ne '';
	wait_for_status($node, $id, 'sent', $db);
	my ($line) = grep { $_->{fiscal_code} eq $cf } $io->ledger;
	return 'the body differs' if $line->{content}{markdown} ne $body;
	return $line->{content}{subject};
}

foreach my $encoding (qw(UTF8 LATIN1 LATIN9))
{
	subtest $encoding => sub
	{
		my $db = make_database($encoding);
		my $narrow = $encoding eq 'LATIN9' ? 'LATIN9' : 'LATIN1';

		same(arrived($db, 'UTF8', $accents), $accents, 'accents from a client in UTF-8');
		same(arrived($db, $narrow, $accents), $accents, "from one in $narrow");
		same(arrived($db, 'UTF8', 'Importo: 12 &euro; &#8364;'), 'Importo: 12 &euro; &#8364;', 'entities as they are');
		same(arrived($db, 'UTF8', 'è' x 120), 'è' x 120, '120 accents fit into a subject');
		like(arrived($db, 'UTF8', 'è' x 121), qr/ERROR:.*subject/, '121 do not');
		if ($encoding eq 'LATIN1')
		{
			like(arrived($db, 'UTF8', 'Importo: 12,50 €'), qr/has no equivalent in encoding "LATIN1"/,
				'there is no euro sign here');
		}
		else
		{
			same(arrived($db, 'UTF8', 'Importo: 12,50 €'), 'Importo: 12,50 €', 'the euro sign');
		}
		my $cf = fiscal_code(++$n);
		my ($id) = run_sql($db, 'UTF8', qq{SELECT io_enqueue_message(jsonb_build_object('fiscal_code', '$cf',
			'content', '{"subject": "Citt\\u00e0 e perch\\u00e9", "markdown": "@{['à' x 90]}"}'::jsonb))});
		wait_for_status($node, $id, 'sent', $db);
		my ($line) = grep { $_->{fiscal_code} eq $cf } $io->ledger;
		same($line->{content}{subject} . $line->{content}{markdown}, 'Città e perché' . 'à' x 90, 'the JSON form');
	};
}

subtest 'UTF8 beyond the first plane' => sub
{
	same(arrived('utf8', 'UTF8', "\x{1F600}" x 60), "\x{1F600}" x 60, '60 of two units each fit');
	like(arrived('utf8', 'UTF8', "\x{1F600}" x 61), qr/ERROR:.*subject/, '61 do not');
};

subtest 'SQL_ASCII' => sub
{
	my $db = make_database('SQL_ASCII');
	my $cf = fiscal_code(++$n);
	my $send = sub { my ($bytes) = @_;
		my (undef, $out, $err) = $node->psql($db, "SELECT io_enqueue_message('$cf', '$bytes', repeat('x', 80))",
			on_error_stop => 0);
		return ($out, $err); };
	my $utf8 = 'Città: 12 €';
	my $bytes = $utf8;


	utf8::encode($bytes);

	my ($id, $err) = $send->($bytes);
	wait_for_status($node, $id, 'sent', $db);
	my ($line) = grep { $_->{fiscal_code} eq $cf } $io->ledger;
	same($line->{content}{subject}, $utf8, 'bytes that are UTF-8 arrive so');
	($id, $err) = $send->("Citt\xe0 invalida");
	like($err, qr/ERROR:.*(UTF-?8|encoding)/i, 'others are refused');
	unlike($err, qr/Citt/, 'without being shown');
	is($node->safe_psql($db, 'SELECT count(*) FROM io_msg.outbox'), 1, 'and not queued');
};

done_testing();
