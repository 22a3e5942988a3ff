"""Lists of plain words for the synthetic text and the base student's tokenizer."""

from __future__ import annotations

from tuition.playground.domain import words

__all__ = ["COMMON_WORDS", "FIRST_NAMES", "NUMBER_WORDS", "THINGS", "WEEKDAYS"]

FIRST_NAMES = words(
    """Ada Adam Alba Alex Alice Amy Anna Anton Ben Bella Bob Boris Carl Carla Cleo Clara Dan Dana David Diana
    Dora Eli Ella Emil Emma Erik Eva Felix Finn Frank Gina Greta Hana Harry Hugo Ida Igor Ines Ivan Jack
    James Jane Jay John Jonas Julia Karl Kate Kim Kira Lara Lena Leo Liam Lily Lisa Luca Lucy Lukas Mara
    Maria Mark Mary Max Maya Mia Mike Mila Milo Mona Nadia Nina Noah Nora Olga Olive Oscar Otto Pablo Paul
    Peter Petra Rosa Ruth Sam Sara Simon Sofia Tara Theo Tim Tina Tom Uma Vera Victor Will Yara Zoe"""
)

THINGS = words(
    """apple pear plum lemon orange melon berry cherry nut bean carrot potato onion egg cake pie cookie roll
    candy book pen pencil card stamp coin button bead shell stone brick box bag basket bottle cup plate
    spoon key ring lamp candle ball kite doll toy ticket flower rose seed leaf branch rope nail"""
)

NUMBER_WORDS = words(
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty"""
)

WEEKDAYS = words("""Monday Tuesday Wednesday Thursday Friday Saturday Sunday""")

COMMON_WORDS = words(
    """a about above across act add after again against age ago agree air all almost alone along already also
    always am among amount an and angle animal another answer any appear are area arm around arrive art as
    ask at away baby back bad bank base be bear beat beautiful because become bed been before began begin
    behind being believe below best better between big bird bit black blood blow blue board boat body bone
    born both bottom bought bread break bridge bright bring broke brother brown build burn bus busy but
    buy by call came camp can capital car care carry case cat catch cause cell center century certain
    chair chance change check chief child children choice choose city claim class clean clear climb clock
    close cloth cloud coast coat cold color come common compare complete condition contain control cook
    cool copy corner correct cost cotton could count country course cover cow create cross crowd cry
    current cut dance dark daughter day dead deal dear death decide deep degree depend describe desert
    design desk did die differ difference different difficult dinner direct divide do doctor does dog
    dollar done door double doubt down draw dream dress drink drive drop dry duck during dust each ear
    early earth ease east easy eat edge effect either electric element else empty end enemy energy engine
    enjoy enough enter equal even evening event ever every exact example except expect experience explain
    eye face fact fair fall false family famous far farm fast fat father fear feather feed feel feet fell
    felt few field fight figure fill final find fine finger finish fire first fish fit flat flip float
    floor flow fly follow food foot for force forest forget form found free fresh friend from front fruit
    full fun fur game garden gas gave general get giant girl give glad glass go goat gold gone good got
    govern grand grass gray great green grew ground group grow guess guide had hair half hand happen happy
    hard has hat have he head health hear heart heat heavy held help her here high hill him his history
    hit hold hole home hope horse hot hour house how huge human hundred hunt hurry hurt ice idea if
    imagine in inch include indicate insect inside instead instrument invent iron is island it its job
    join joy jump just keep kept kind king kitchen knew know lady lake land language large last late laugh
    law lay lead learn least leave led left leg length less let letter level lie life lift light like line
    lion liquid list listen little live living long look lose lost lot loud love low machine made magnet
    main make mammal man many map mark market mass master match material matter may me mean measure meat
    meet melt men metal method middle might mile milk million mind mine minute miss mix modern moment
    money month moon more morning most mother motion mountain mouse mouth move much music must my name
    nation nature near neck need neighbor nest never new next night no noise none noon nor north nose not
    note nothing notice noun now number object observe ocean of off offer office often oil old on once
    only open or order organ other our out over own oxygen page paint pair paper parent part party pass
    past path pattern pay people perhaps period person picture piece place plain plan plane planet plant
    play please point pole poor population position possible pound power present press pretty print
    problem process produce product proper protect prove provide pull push put quart queen question quick
    quiet quite rabbit race radio rain raise ran range rather reach read ready real reason receive record
    red remember repeat reply represent rest result rich ride right rise river road rock room root rough
    round row rule run safe said sail salt same sand sat save saw say scale school science sea season seat
    second see seem sell send sense sent sentence separate serve set settle several shade shape share
    sharp she sheep shine ship shirt shoe shop shore short should shoulder shout show side sight sign
    silver similar simple since sing sister sit size skill skin sky sleep slip slow small smell smile snow
    so soft soil soldier solid solution solve some son song soon sound south space speak special speech
    speed spell spend spot spread spring square stand star start state station stay steam steel step stick
    still stood stop store story straight strange stream street stretch string strong student study such
    sudden sugar suggest suit summer sun supply sure surface surprise swap swim system table tail take
    talk tall teach team teeth tell temperature ten test than thank that the their them then there these
    they thick thin thing think third this those though thought thousand through throw thus tie time tiny
    tire to together told tone too took tool top total touch toward town track trade train travel tree
    triangle trip trouble truck true try tube turn twice two type under unit until up us use usual valley
    value vary very view village visit voice vowel wait walk wall want war warm was wash watch water wave
    way we wear weather week weight well went were west what wheel when where whether which while white
    who whole why wide wife wild win wind window wing winter wire wish with woman women won wonder wood
    word work world would write wrong yard year yellow yes yet you young your"""
)
