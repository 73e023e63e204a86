"""The words of a household: one list per kind of word. Their order matters: a seed picks by place."""


def listed(text: str) -> list[str]:
    """One word after another."""
    return text.split()


def phrases(text: str) -> list[str]:
    """Several words between two commas."""
    return [" ".join(phrase.split()) for phrase in text.split(",")]


NAMES = listed("""
Anna Ben Clara David Emma Felix Grace Henry Isabel Jack Karen Leo Maria Nathan Olivia Peter Quinn
Rachel Simon Tina Ursula Victor Wendy Xavier Yvonne Zoe Alice Brian Carol Daniel Ella Frank Gloria
Harry Ingrid James Kevin Laura Martin Nina Oscar Paula Robert Sarah Thomas Vera Walter Amy Adam
Bella Charlie Diana Edward Fiona George Hannah Ivan Julia Kate Lucas Molly Noah Oliver Penny Ruby
Samuel Theo Violet William Abigail Arthur Beatrice Chloe Dominic Eleanor Freddie Georgia Hugo Iris
Jacob Katherine Lily Matthew Naomi Patrick Rebecca Stephen Teresa Vincent Angela Boris Cecilia
Dennis Edith Florence Gabriel Helen Irene Joseph Kenneth Linda Michael Nicholas Pamela Richard
Sophia Timothy Valerie Agnes Bernard Christine
""")
PEOPLE = phrases("""
Mom, Dad, Grandma, Grandpa, Aunt Mary, Uncle John, my sister, my brother, my cousin, the babysitter,
the neighbour, the plumber, the electrician, the gardener, the mailman, the doctor, the teacher, our
guest, the cleaner, the painter, my boss, the carpenter, the dentist, the nurse, the driver, the
landlord, my nephew, my niece, the twins, the baby, the visitors, the coach, the piano teacher, the
delivery man, the mechanic, the vet, the chimney sweep, the babysitter, the mayor, the librarian
""")
ROOMS = phrases("""
kitchen, living room, bedroom, bathroom, garage, garden, hallway, attic, basement, dining room,
office, laundry room, playroom, guest room, balcony, terrace, cellar, pantry, study, workshop,
nursery, porch, shed, closet, entrance, staircase, greenhouse, library, driveway, backyard,
conservatory, music room, upstairs bathroom, front yard, loft, cloakroom, veranda
""")
FOODS = phrases("""
chicken, soup, pasta, pizza, rice, salad, bread, butter, cheese, tomato sauce, potatoes, carrots,
onions, garlic, mushrooms, spinach, broccoli, cabbage, cucumber, lettuce, peppers, beans, peas,
corn, lentils, fish, salmon, tuna, shrimp, beef, pork, lamb, turkey, ham, bacon, sausages,
meatballs, burgers, sandwiches, tacos, noodles, curry, stew, pancakes, waffles, omelette, eggs,
yogurt, milk, cream, honey, jam, marmalade, peanut butter, cereal, oatmeal, muesli, toast,
croissants, muffins, cookies, biscuits, brownies, apple pie, chocolate cake, cheesecake, ice cream,
pudding, custard, apples, bananas, oranges, lemons, limes, grapes, strawberries, raspberries,
blueberries, cherries, peaches, plums, pears, melon, pineapple, mango, kiwi, apricots, walnuts,
almonds, hazelnuts, raisins, popcorn, crackers, pretzels, chips, lasagna, risotto, goulash,
dumplings, gravy, mustard, ketchup, mayonnaise, vinegar, olive oil, flour, sugar, salt, pepper,
cinnamon, vanilla, ginger, parsley, basil, thyme, rosemary, zucchini, pumpkin, asparagus, celery,
radishes, beetroot, avocado, olives, artichokes, cauliflower, leftovers, casserole, roast beef,
sushi, porridge, donuts, rolls, bagels, syrup, coconut, figs, dates, chestnuts
""")
DRINKS = phrases("""
coffee, tea, orange juice, apple juice, water, lemonade, hot chocolate, milk, wine, beer, cider,
sparkling water, a smoothie, iced tea, cocoa, espresso, green tea, peppermint tea, tomato juice, a
milkshake, ginger ale
""")
MEALS = listed("""
breakfast lunch dinner supper brunch dessert tea
""")
ITEMS = phrases("""
keys, wallet, phone, charger, glasses, umbrella, backpack, laptop, tablet, headphones, remote
control, book, newspaper, magazine, blanket, pillow, towel, soap, shampoo, toothbrush, hairbrush,
scissors, tape, hammer, screwdriver, drill, ladder, bucket, mop, broom, sponge, vacuum cleaner,
iron, laundry basket, trash can, recycling bin, plates, bowls, cups, glasses, forks, knives, spoons,
frying pan, kettle, toaster, oven mitts, cutting board, tea towel, napkins, candles, matches,
flashlight, batteries, light bulb, extension cord, stapler, notebook, pencil case, calculator,
homework, permission slip, passport, tickets, camera, suitcase, sunglasses, sunscreen, hat, scarf,
gloves, jacket, raincoat, sweater, boots, sneakers, sandals, slippers, socks, pyjamas, shirt,
trousers, jeans, skirt, dress, belt, necktie, bracelet, necklace, earrings, bicycle, helmet,
scooter, skateboard, football, tennis racket, guitar, violin, trumpet, piano, drum, flute, puzzle,
teddy bear, doll, toy train, building blocks, board game, chess set, playing cards, crayons,
paintbrush, glue, ribbon, wrapping paper, gift, birthday card, envelope, stamps, parcel, letter,
package, medicine, bandage, thermometer, vitamins, lawn mower, watering can, rake, shovel, hose,
wheelbarrow, flower pot, seeds, tent, sleeping bag, compass, map, picnic basket, cooler, thermos,
lunch box, water bottle, vase, mirror, clock, lamp, curtain, rug, cushion, mattress, wardrobe,
bookshelf, drawer, stool, armchair, sofa, desk, printer, router, speaker, microphone, keyboard,
mouse, bath mat, hairdryer, razor, perfume, handkerchief, calendar, diary, folder, ruler, eraser,
telescope, magnifying glass, wrench, pliers, nails, screws, sandpaper, paint, rope, whistle, trophy,
medal, poster, photograph, album, recipe, shopping list, receipt
""")
CHORES = phrases("""
empty the dishwasher, set the table, clear the table, wash the dishes, take out the trash, feed the
cat, feed the dog, walk the dog, water the plants, mow the lawn, rake the leaves, sweep the floor,
mop the kitchen floor, vacuum the carpet, dust the shelves, clean the windows, make the bed, change
the sheets, fold the laundry, iron the shirts, hang up the washing, sort the recycling, clean the
oven, defrost the freezer, scrub the bathtub, tidy your room, put away the groceries, wipe the
counter, polish the silverware, unpack the suitcase, charge the batteries, lock the front door,
close the windows, turn off the lights, turn down the music, switch on the heating, open the
curtains, shut the gate, fix the bicycle, paint the fence, wash the car, shovel the snow, sharpen
the knives, peel the potatoes, chop the onions, stir the soup, preheat the oven, bake the bread,
pack the lunch boxes, sign the permission slip, finish the homework, practise the violin, call the
plumber, answer the door, check the mailbox, pay the bills, renew the passport, order a taxi, book
the tickets, buy new batteries, replace the light bulb, empty the mailbox, brush the horse, clean
the fish tank, bathe the baby, read a bedtime story, brush your teeth, wash your hands, put on your
shoes, bring an umbrella, carry the boxes upstairs, move the sofa, assemble the bookshelf, unclog
the drain, tighten the screws, measure the window, trim the hedge, plant the tulips, pick the
apples, harvest the tomatoes, light the fire, chop the wood, sew the button, wrap the presents,
decorate the tree, blow up the balloons, invite the neighbours, print the photos, reset the router,
update the tablet, install the printer, silence the alarm, start the washing machine, stop the dryer
""")
PLACES = phrases("""
school, the station, the airport, the supermarket, the bakery, the library, the park, the
playground, the hospital, the pharmacy, the post office, the bank, the church, the museum, the
cinema, the theatre, the swimming pool, the gym, the stadium, the beach, the lake, the mountains,
the forest, the farm, the zoo, the market, the restaurant, the cafe, the hairdresser, the office,
the bus stop, the harbour, the castle, the village, the city centre, football practice, piano
lessons, ballet class, the butcher, choir rehearsal, the dentist, the garden centre, the hardware
store, the bookstore, the car wash, the petrol station, kindergarten, the university, the concert,
the wedding, the funfair, the circus, the aquarium, the river, the bridge, the tunnel, the campsite
""")
WEATHER = listed("""
sunny rainy cloudy windy snowy foggy stormy freezing chilly warm mild humid dry icy misty hot cold
cool bright grey muddy slippery pleasant gorgeous terrible
""")
WEATHER_NOUNS = phrases("""
rain, snow, thunder, lightning, sunshine, fog, frost, hail, strong wind, drizzle, a storm, heavy
clouds, a heat wave, a rainbow, showers, a blizzard, sleet, clear skies
""")
DAYS = listed("""
Monday Tuesday Wednesday Thursday Friday Saturday Sunday
""")
MONTHS = listed("""
January February March April May June July August September October November December
""")
SEASONS = listed("""
spring summer autumn winter
""")
UP_TO_TWELVE = listed("""
one two three four five six seven eight nine ten eleven twelve
""")
TEENS = listed("""
thirteen fourteen fifteen sixteen seventeen eighteen nineteen
""")
TENS = listed("""
twenty thirty forty fifty sixty seventy eighty ninety
""")
ORDINALS = listed("""
first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth
""")
COLORS = listed("""
red blue green yellow orange purple pink brown black white grey silver golden turquoise beige violet
""")
ADJECTIVES = listed("""
big small old new broken clean dirty heavy light soft hard wet dry warm cold empty full loud quiet
beautiful ugly expensive cheap favourite lovely strange funny shiny rusty wooden plastic metal round
square tiny huge narrow wide sharp smooth rough sticky fresh rotten spare missing little enormous
comfortable fragile colourful striped woollen leather modern antique
""")
FEELINGS = listed("""
happy tired hungry thirsty sleepy angry sad excited nervous proud sick better worried bored lonely
surprised grateful busy ready late early lost safe cold hot ill awake asleep confused relieved
disappointed cheerful grumpy jealous curious calm dizzy
""")
ANIMALS = listed("""
cat dog hamster rabbit parrot horse pony goat sheep cow pig duck goose hen rooster turtle goldfish
mouse squirrel hedgehog fox deer owl pigeon sparrow robin swan frog snail spider butterfly bee wasp
ant ladybug kitten puppy lizard bat crow beaver badger donkey llama penguin
""")
BODY_PARTS = listed("""
head arm leg hand foot knee elbow shoulder back neck stomach tooth ear nose throat finger thumb toe
ankle wrist chin cheek eye
""")
SUBJECTS = listed("""
maths history geography biology chemistry physics music art English German French Spanish Latin
economics drama science spelling grammar philosophy astronomy
""")
SPORTS = phrases("""
football, basketball, tennis, volleyball, hockey, baseball, cricket, rugby, golf, badminton, table
tennis, chess, cards, hide and seek, video games, the guitar, the piano, the violin, the drums, the
trumpet, darts, hopscotch
""")
ACTIVITIES = listed("""
swimming running cycling hiking climbing dancing painting drawing reading singing cooking baking
fishing sailing skating skiing gardening shopping camping jogging knitting sewing writing juggling
surfing sleeping working studying
""")
DEVICES = phrases("""
television, radio, washing machine, dishwasher, dryer, oven, microwave, fridge, freezer, heater,
fan, air conditioner, doorbell, alarm, smoke detector, computer, internet, coffee machine, boiler,
garage door, thermostat, lawn sprinkler, stove, blender, mixer, ceiling light, bathroom light,
outdoor light, nightlight, security camera, intercom, elevator, humidifier, projector
""")
DEVICE_STATES = phrases("""
on, off, broken, working again, too loud, too quiet, finished, beeping, leaking, blinking,
overheating, stuck, running, not responding, making a strange noise, ready, full, empty, open,
closed, locked, unplugged, switched off, frozen, fixed now
""")
WHERE = phrases("""
on the table, under the bed, behind the sofa, next to the door, in the drawer, on the shelf, in the
fridge, by the window, near the fireplace, on the counter, inside the cupboard, beside the lamp,
above the sink, below the stairs, in my bag, in the car, on top of the wardrobe, between the
cushions, against the wall, in the corner, at the front door, around the corner, on the roof
""")
WHEN = phrases("""
now, later, soon, tonight, tomorrow, today, this morning, this afternoon, this evening, after
dinner, before school, right away, in a minute, after lunch, before bedtime, next week, next month,
at noon, at midnight, on the weekend, every day, in a moment, as soon as possible, before you leave,
when you get home, once a week, twice a day, until further notice
""")
GREETINGS = phrases("""
Hello, Hi, Good morning, Good afternoon, Good evening, Hey, Welcome home, Good night, Excuse me,
Attention please, Listen everyone, Thank you, Sorry, Congratulations, Happy birthday, Merry
Christmas, Happy new year, Dear family, Okay, Well done, Goodbye, See you later, Sweet dreams, Bless
you, Never mind, Oh dear, Guess what, Hurry up, Be careful, Please wait
""")
PAST_VERBS = phrases("""
called, arrived, left, came home, went out, fell asleep, woke up, finished work, missed the bus,
caught the train, lost the game, won the race, passed the exam, found a coin, broke a glass, spilled
the milk, burned the toast, cut the grass, forgot the password, sent a message, wrote a letter, drew
a picture, told a joke, sang a song, baked a cake, ate the last slice, drank the juice, bought a
ticket, sold the car, met a friend, climbed a tree, built a castle, caught a cold, hurt a knee, took
a shower, had a nap, cleaned the garage, repaired the fence, learned a poem, rode a horse, flew a
kite, threw the ball
""")
JOBS = listed("""
lawyer pilot baker butcher farmer sailor soldier singer dancer actor author chef waiter cashier
firefighter policeman judge engineer scientist architect tailor barber fisherman astronaut detective
journalist photographer translator secretary postman plumber potter jeweller florist beekeeper
shepherd blacksmith magician clown president professor pharmacist surgeon programmer accountant
""")
VEHICLES = listed("""
truck van tram ferry boat ship plane helicopter rocket tractor motorcycle ambulance wagon canoe sled
train subway taxi bus caravan balloon
""")
NATURE = listed("""
tree flower rose daisy sunflower oak willow mushroom stone pebble hill valley island desert volcano
waterfall meadow pond cloud moon star planet sun wave shell feather nest cave cliff path leaf branch
root acorn berry
""")
VERBS = phrases("""
saw, liked, wanted, remembered, noticed, ignored, borrowed, painted, discovered, described,
collected, dropped, followed, admired, photographed, mentioned, repaired, returned, opened, closed,
moved, pushed, pulled, lifted, hid, kept, stole, counted, chose, dreamed about, talked about,
laughed at, waited for, looked for, complained about, asked about, heard about, worried about
""")
ADVERBS = listed("""
quickly slowly carefully suddenly finally probably usually always never often sometimes rarely
quietly loudly gently politely certainly obviously luckily unfortunately immediately eventually
recently secretly proudly angrily happily bravely
""")
COUNTRIES = listed("""
France Germany Italy Spain Portugal Greece Norway Sweden Denmark Finland Poland Austria Hungary
Ireland Scotland England America Canada Mexico Brazil Argentina Chile Peru India China Japan Korea
Australia Egypt Kenya Morocco Turkey Iceland Holland Belgium
""")
